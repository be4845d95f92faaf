// The routes of the bench in gin, on the HTTP server of Go's standard library, which is how gin runs.
package main

import (
	"bytes"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

type greeting struct {
	Message string `json:"message"`
}

type item struct {
	Name  string   `json:"name" binding:"required"`
	Price *float64 `json:"price" binding:"required,gte=0"`
	Tags  []string `json:"tags" binding:"required"`
}

var (
	ids      atomic.Uint64
	requests atomic.Uint64
	elapsed  atomic.Int64
)

// requestID adds x-request-id to every reply.
func requestID(c *gin.Context) {
	c.Header("x-request-id", fmt.Sprintf("%016x", ids.Add(1)))
	c.Next()
}

// timing counts the requests and the time they take.
func timing(c *gin.Context) {
	began := time.Now()
	c.Next()
	requests.Add(1)
	elapsed.Add(int64(time.Since(began)))
}

func main() {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(requestID, timing)
	tenKB := bytes.Repeat([]byte("x"), 10_240)

	router.GET("/hello/:name", func(c *gin.Context) {
		excited, err := strconv.ParseBool(c.DefaultQuery("excited", "false"))
		if err != nil {
			c.JSON(http.StatusUnprocessableEntity, gin.H{"detail": "excited: not a bool"})
			return
		}
		mark := "."
		if excited {
			mark = "!"
		}
		c.JSON(http.StatusOK, greeting{"Hello, " + c.Param("name") + mark})
	})
	router.GET("/plain", func(c *gin.Context) { c.String(http.StatusOK, "Hello, world!") })
	router.GET("/ten-kb", func(c *gin.Context) {
		c.Data(http.StatusOK, "application/octet-stream", tenKB)
	})
	router.POST("/items", func(c *gin.Context) {
		var found item
		if err := c.ShouldBindJSON(&found); err != nil {
			c.JSON(http.StatusUnprocessableEntity, gin.H{"detail": err.Error()})
			return
		}
		c.JSON(http.StatusOK, found)
	})
	router.GET("/count", func(c *gin.Context) { c.String(http.StatusOK, "%d", requests.Load()) })

	server := &http.Server{Addr: "127.0.0.1:" + os.Args[1], Handler: router.Handler()}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	log.Fatal(server.ListenAndServe())
}
