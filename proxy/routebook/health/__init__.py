"""What was measured of upstreams: cool-downs, first-token times, load. The clock is an argument."""
