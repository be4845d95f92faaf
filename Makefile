# Thin on purpose: each target calls one file in scripts/, and CI calls the same files.
.DEFAULT_GOAL := help
.PHONY: help demo demo-split test lint types bench bench-http bench-grpc bench-im conformance e2e backends faults soak restart-proof fuzz docs clean

help: ## print this list
	@scripts/help

demo: ## start a chat on PORT, or 8000; Ctrl-C stops it
	@scripts/demo

demo-split: ## the same as two services, gateway and logic, each restarted on its own
	@scripts/demo-split

test: ## run the whole test suite on one interpreter, in .venv
	@scripts/test

lint: ## check the format, the linter's rules and the changelog fragments
	@scripts/lint

types: ## check the types of src, tests, examples and bench, strictly
	@scripts/types

bench: ## measure, side by side with the alternatives
	@scripts/bench

bench-http: ## measure the HTTP server beside gin, FastAPI and others
	@scripts/bench-http

bench-grpc: ## measure gRPC, server and client, beside grpc-go, grpcio and others
	@scripts/bench-grpc

bench-im: ## measure the chat: idle clients, messages in a second, latency
	@scripts/bench-im

e2e: ## two users talk in Chromium while everything is killed and restarted
	@scripts/e2e

conformance: ## run the suites that others wrote
	@scripts/conformance

backends: ## run the tests of the chat's database against a real PostgreSQL
	@scripts/backends

soak: ## call a gRPC server for ten minutes in all the ways that leave something half done
	@scripts/soak-grpc

faults: ## start, kill and hang processes at every step of a restart
	@scripts/faults

restart-proof: ## restart a service a thousand times under load, and count what is lost
	@scripts/restart-proof

fuzz: ## throw random bytes at every parser
	@scripts/fuzz

docs: ## check the docs: links, examples, the page of errors
	@scripts/docs

clean: ## remove what the other targets made, .venv included
	@scripts/clean
