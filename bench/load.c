// A load generator for one request, sent again and again: each connection asks as soon as its answer is whole.
//
//     load CONNECTIONS SECONDS PORT BODY_FILE
//
// Prints one JSON object: requests and failures after a warm-up of a fifth of the time, requests a second, times in
// microseconds (p50 and p99 from the first byte sent to the last received, first_p50 to the first byte of the body).

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 18, MOST_TIMES = 1 << 22 };

typedef struct {
    int fd;
    long long began, first;
    size_t have;
    char in[ROOM];
} Client;

static Client *clients;
static char *request;
static size_t request_size;
static int port, poll_fd;
static long long requests, failures, warm_until;
static unsigned *times, *firsts;

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b) {
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

static unsigned share(unsigned *values, long long count, double q) {
    return count ? values[(long long)((double)(count - 1) * q)] : 0;
}

static void ask(Client *c) {
    c->have = 0;
    c->first = 0;
    c->began = now_us();
    for (size_t sent = 0; sent < request_size;) {
        ssize_t n = send(c->fd, request + sent, request_size - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += (size_t)n;
    }
}

static void begin(Client *c) {
    int on = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (void *)&to, sizeof to)) { perror("load: connect"); exit(1); }
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &wanted);
    ask(c);
}

// 1 when the answer in the buffer is whole, 0 when more must come, -1 when it is not what it should be.
static int state(Client *c) {
    char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (!end) return c->have == ROOM ? -1 : 0;
    size_t head = (size_t)(end - c->in) + 4;
    if (c->have > head && !c->first) c->first = now_us();
    if (memcmp(c->in, "HTTP/1.1 200", 12)) return -1;
    char *line = c->in;
    while ((line = memchr(line, '\n', (size_t)(c->in + head - line)))) {
        if (++line >= c->in + head - 2) break;
        if (!strncasecmp(line, "content-length:", 15)) return c->have >= head + (size_t)atol(line + 15);
    }
    return c->have >= head + 5 && !memcmp(c->in + c->have - 5, "0\r\n\r\n", 5);
}

static void readable(Client *c) {
    ssize_t got = c->have < ROOM ? recv(c->fd, c->in + c->have, ROOM - c->have, 0) : 0;
    if (got > 0) c->have += (size_t)got;
    int is = got > 0 ? state(c) : -1;
    if (!is) return;
    long long now = now_us();
    if (now >= warm_until) {
        if (is < 0) failures++;
        else if (requests < MOST_TIMES) {
            times[requests] = (unsigned)(now - c->began);
            firsts[requests] = (unsigned)(c->first - c->began);
        }
        requests += is > 0;
    }
    if (is > 0) { ask(c); return; }
    close(c->fd);
    begin(c);
}

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "usage: load CONNECTIONS SECONDS PORT BODY_FILE\n"), 2;
    int count = atoi(argv[1]);
    double seconds = atof(argv[2]);
    port = atoi(argv[3]);
    FILE *file = fopen(argv[4], "rb");
    if (!file) return perror(argv[4]), 1;
    char *body = malloc(1 << 22);
    size_t body_size = fread(body, 1, 1 << 22, file);
    request = malloc(body_size + 512);
    request_size = (size_t)sprintf(request, "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\n"
                                            "User-Agent: load\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                                   port, body_size);
    memcpy(request + request_size, body, body_size);
    request_size += body_size;
    times = malloc(MOST_TIMES * sizeof *times);
    firsts = malloc(MOST_TIMES * sizeof *firsts);
    clients = calloc((size_t)count, sizeof *clients);
    poll_fd = epoll_create1(0);
    long long start = now_us(), end = start + (long long)(seconds * 1e6);
    warm_until = start + (long long)(seconds * 2e5);
    for (int i = 0; i < count; i++) begin(&clients[i]);
    struct epoll_event seen[256];
    while (now_us() < end) {
        int n = epoll_wait(poll_fd, seen, 256, 50);
        for (int i = 0; i < n; i++) readable(seen[i].data.ptr);
    }
    double took = (double)(now_us() - warm_until) / 1e6;
    long long kept = requests < MOST_TIMES ? requests : MOST_TIMES;
    qsort(times, (size_t)kept, sizeof *times, by_size);
    qsort(firsts, (size_t)kept, sizeof *firsts, by_size);
    printf("{\"requests\":%lld,\"failures\":%lld,\"rps\":%.1f,\"p50\":%u,\"p99\":%u,\"first_p50\":%u}\n", requests, failures,
           (double)requests / took, share(times, kept, 0.5), share(times, kept, 0.99), share(firsts, kept, 0.5));
    return 0;
}
