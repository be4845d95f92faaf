module mainstay.example/bench/im

go 1.23
