module mainstay.example/bench/restart

go 1.21
