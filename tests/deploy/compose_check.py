"""docker-compose.yml, brought up: two consumers share the partitions, Prometheus sees both, every event has its outcome."""
