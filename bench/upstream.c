// A model API that costs almost nothing, so that what is measured is the proxy in front of it.
//
//     upstream PORT
//
// Every POST is answered from its body alone: a completion as one JSON object; with "stream":true fifty server-sent
// events, in one write, or 10 ms apart where the body contains "paced".

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 50, PACE_US = 10000, MOST_CONNECTIONS = 8192, ROOM = 1 << 20 };

static const char WHOLE[] =
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"bench-1\",\"choices\":[{"
    "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"It is the capital, and it lies on the river.\","
    "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":28,"
    "\"completion_tokens\":13,\"total_tokens\":41,\"prompt_tokens_details\":{\"cached_tokens\":0},"
    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}";
#define FRAME "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000," \
              "\"model\":\"bench-1\",\"choices\":[{\"index\":0,\"delta\":"
static const char EVENT[] = FRAME "{\"content\":\" token\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
static const char LAST[] = FRAME "{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                                  "x-request-id: req_bench\r\nTransfer-Encoding: chunked\r\n\r\n";

typedef struct {
    char *in;
    size_t have;
    int left;        // events still to send; 0 when idle
    long long due;   // when the next one is, in microseconds; 0 when at once
} Connection;

static Connection connections[MOST_CONNECTIONS];
static char whole[2048], out[64 * 1024];
static size_t whole_size;

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static size_t put_chunk(char *to, const char *data, size_t size) {
    size_t head = (size_t)sprintf(to, "%zx\r\n", size);
    memcpy(to + head, data, size);
    memcpy(to + head + size, "\r\n", 2);
    return head + size + 2;
}

static size_t put_next_event(Connection *c, char *to) {
    if (--c->left > 0) return put_chunk(to, EVENT, sizeof EVENT - 1);
    size_t size = put_chunk(to, LAST, sizeof LAST - 1);
    memcpy(to + size, "0\r\n\r\n", 5);
    return size + 5;
}

// Answers are small beside a socket's buffer: what cannot be sent at once means that the peer is gone.
static int say(int fd, const char *data, size_t size) {
    return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

static int answer(int fd, Connection *c, char *body, size_t size) {
    if (!memmem(body, size, "\"stream\":true", 13) && !memmem(body, size, "\"stream\": true", 14))
        return say(fd, whole, whole_size);
    c->left = EVENTS + 1;
    size_t filled = sizeof STREAM_HEAD - 1;
    memcpy(out, STREAM_HEAD, filled);
    if (memmem(body, size, "paced", 5)) {
        filled += put_next_event(c, out + filled);
        c->due = now_us() + PACE_US;
    } else
        while (c->left) filled += put_next_event(c, out + filled);
    return say(fd, out, filled);
}

// The size of the body behind this head; bodies are sent with a length, or in chunks that end with an empty one.
static ssize_t body_size(char *head, size_t head_size, size_t have) {
    for (char *line = memchr(head, '\n', head_size); line && line + 1 < head + head_size;
         line = memchr(line + 1, '\n', (size_t)(head + head_size - line - 1))) {
        if (!strncasecmp(line + 1, "content-length:", 15)) return atol(line + 16);
        if (!strncasecmp(line + 1, "transfer-encoding:", 18)) {
            char *end = memmem(head + head_size, have - head_size, "0\r\n\r\n", 5);
            return end ? end + 5 - head - (ssize_t)head_size : -1;
        }
    }
    return 0;
}

static int readable(int fd, Connection *c) {
    ssize_t got = recv(fd, c->in + c->have, ROOM - c->have, 0);
    if (got <= 0) return -1;
    c->have += (size_t)got;
    while (!c->left) {
        char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
        if (!end) return 0;
        size_t head = (size_t)(end - c->in) + 4;
        ssize_t body = body_size(c->in, head, c->have);
        if (body < 0 || c->have < head + (size_t)body) return c->have < ROOM ? 0 : -1;
        if (answer(fd, c, c->in + head, (size_t)body)) return -1;
        c->have -= head + (size_t)body;
        memmove(c->in, c->in + head + body, c->have);
        if (!c->have) return 0;
    }
    return 0;
}

static void leave(int fd) {
    free(connections[fd].in);
    memset(&connections[fd], 0, sizeof connections[fd]);
    close(fd);
}

static void send_what_is_due(void) {
    long long now = now_us();
    for (int fd = 0; fd < MOST_CONNECTIONS; fd++) {
        Connection *c = &connections[fd];
        if (!c->due || c->due > now) continue;
        size_t size = put_next_event(c, out);
        c->due = c->left ? c->due + PACE_US : 0;
        if (say(fd, out, size)) leave(fd);
    }
}

int main(int argc, char **argv) {
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), paced = 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0")),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) return perror("upstream"), 1;
    whole_size = (size_t)sprintf(whole, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_bench\r\n"
                                        "Content-Length: %zu\r\n\r\n%s", sizeof WHOLE - 1, WHOLE);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listener}, seen[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int count = epoll_wait(poll, seen, 256, paced ? 1 : -1);
        for (int i = 0; i < count; i++) {
            int fd = seen[i].data.fd;
            if (fd != listener) {
                if (readable(fd, &connections[fd])) leave(fd);
                continue;
            }
            if ((fd = accept(listener, NULL, NULL)) < 0) continue;
            if (fd >= MOST_CONNECTIONS) { close(fd); continue; }
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections[fd].in = malloc(ROOM);
            wanted.data.fd = fd;
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &wanted);
        }
        send_what_is_due();
        paced = 0;
        for (int fd = 0; fd < MOST_CONNECTIONS && !paced; fd++) paced = connections[fd].due != 0;
    }
}
