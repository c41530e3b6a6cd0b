// A load generator for one request, sent again and again: each connection asks as soon as its answer is whole.
//
//     load [-p PATH] [-H 'NAME: VALUE']... [-r RATE] CONNECTIONS SECONDS PORT BODY_FILE
//
// With -r, RATE requests a second come at random moments (exponential gaps, the same ones each time) whether or not those
// before them were answered: over a connection that is idle, or else over the next that becomes so. Their times count from
// the moment at which they were due.
//
// Prints one JSON object: requests and failures after a warm-up of a fifth of the time, requests a second, times in
// microseconds (p50 and p99 from the first byte sent to the last received, first_p50 to the first byte of the body; and
// 101 quantiles, from the shortest to the longest), and `all`: every answer, those of the warm-up and those that were
// waited for at the end included.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <limits.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 18, MOST_TIMES = 1 << 22, MOST_WAITING = 1 << 20, HEAD_ROOM = 4096, DRAIN_US = 20000000 };

typedef struct {
    int fd, busy;
    long long began, first;
    size_t have;
    char in[ROOM];
} Client;

static Client *clients;
static char *request;
static size_t request_size;
static int port, poll_fd, count, busy, draining;
static double rate;
static long long requests, failures, all, warm_until, next_due, waiting[MOST_WAITING];
static size_t first_waiting, last_waiting;
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

static void ask(Client *c, long long began) {
    c->have = 0;
    c->first = 0;
    c->began = began;
    c->busy = 1;
    busy++;
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
}

// What an idle connection does next: it asks at once; with a rate, only where a request is waiting.
static void go_on(Client *c) {
    if (draining) return;
    if (!rate) ask(c, now_us());
    else if (first_waiting != last_waiting) ask(c, waiting[first_waiting++ % MOST_WAITING]);
}

// With a rate: hand what is due to idle connections; the rest waits. Returns when the next is due.
static long long hand_out(void) {
    static int turn;
    for (long long now = now_us(); next_due <= now; next_due += (long long)(-log(1 - drand48()) / rate * 1e6)) {
        if (last_waiting - first_waiting < MOST_WAITING) waiting[last_waiting++ % MOST_WAITING] = next_due;
        for (int tried = 0; tried < count && first_waiting != last_waiting; tried++) {
            Client *c = &clients[turn++ % count];
            if (!c->busy) { go_on(c); break; }
        }
    }
    return next_due;
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
    all++;
    c->busy = 0;
    busy--;
    if (is < 0) { close(c->fd); begin(c); }
    go_on(c);
}

static void wait_for_answers(int clock, long long due) {
    struct epoll_event seen[256];
    if (rate) {
        long long left = due - now_us();
        struct itimerspec alarm = {.it_value = {left > 0 ? left / 1000000 : 0, left > 0 ? left % 1000000 * 1000 + 1 : 1}};
        timerfd_settime(clock, 0, &alarm, NULL);
    }
    int n = epoll_wait(poll_fd, seen, 256, 50);
    for (int i = 0; i < n; i++)
        if (seen[i].data.ptr) readable(seen[i].data.ptr);
}

int main(int argc, char **argv) {
    const char *path = "/v1/chat/completions";
    char headers[HEAD_ROOM / 2] = "";
    for (int option; (option = getopt(argc, argv, "p:H:r:")) != -1;) {
        if (option == '?') return 2;
        if (option == 'p') path = optarg;
        else if (option == 'r') rate = atof(optarg);
        else if (strlen(headers) + strlen(optarg) + 3 < sizeof headers) strcat(strcat(headers, optarg), "\r\n");
        else return fprintf(stderr, "load: headers are too long\n"), 2;
    }
    argv += optind - 1;
    if (argc - optind != 4) return fprintf(stderr, "usage: load [options] CONNECTIONS SECONDS PORT BODY_FILE\n"), 2;
    count = atoi(argv[1]);
    double seconds = atof(argv[2]);
    port = atoi(argv[3]);
    FILE *file = fopen(argv[4], "rb");
    if (!file) return perror(argv[4]), 1;
    char *body = malloc(1 << 22);
    size_t body_size = fread(body, 1, 1 << 22, file);
    request = malloc(body_size + HEAD_ROOM);
    request_size = (size_t)snprintf(request, HEAD_ROOM, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\n"
                                    "User-Agent: load\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
                                    path, port, headers, body_size);
    if (request_size >= HEAD_ROOM) return fprintf(stderr, "load: the path is too long\n"), 2;
    memcpy(request + request_size, body, body_size);
    request_size += body_size;
    times = malloc(MOST_TIMES * sizeof *times);
    firsts = malloc(MOST_TIMES * sizeof *firsts);
    clients = calloc((size_t)count, sizeof *clients);
    poll_fd = epoll_create1(0);
    int clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event ticks = {.events = EPOLLIN | EPOLLET};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, clock, &ticks);
    srand48(1);
    for (int i = 0; i < count; i++) begin(&clients[i]);
    long long start = now_us(), end = start + (long long)(seconds * 1e6);
    warm_until = start + (long long)(seconds * 2e5);
    next_due = start;
    for (int i = 0; i < count; i++) go_on(&clients[i]);
    while (now_us() < end) wait_for_answers(clock, rate ? hand_out() : 0);
    double took = (double)(now_us() - warm_until) / 1e6;
    long long counted = requests, kept = requests < MOST_TIMES ? requests : MOST_TIMES, failed = failures;
    qsort(times, (size_t)kept, sizeof *times, by_size);
    qsort(firsts, (size_t)kept, sizeof *firsts, by_size);
    warm_until = LLONG_MAX;
    draining = 1;
    rate = 0;
    while (busy && now_us() < end + DRAIN_US) wait_for_answers(clock, 0);
    printf("{\"requests\":%lld,\"failures\":%lld,\"all\":%lld,\"left\":%d,\"rps\":%.1f,\"p50\":%u,\"p99\":%u,"
           "\"first_p50\":%u,\"first_p99\":%u,\"quantiles\":[",
           counted, failed, all, busy, (double)counted / took, share(times, kept, 0.5), share(times, kept, 0.99),
           share(firsts, kept, 0.5), share(firsts, kept, 0.99));
    for (int i = 0; i <= 100; i++) printf("%s%u", i ? "," : "", share(times, kept, i / 100.0));
    printf("]}\n");
    return 0;
}
