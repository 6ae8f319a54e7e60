/* A model server that costs next to nothing: one canned chat completion after a fixed delay.

   server DELAY_MS          prints its base URL, serves until stdin is closed

   HTTP/1.1 with keep-alive on a loopback port, one thread, epoll. It counts the largest number
   of calls that wait at once and prints that at the end. For benchmarks only. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 8192
#define BUFFER 65536

static char *input[MAX_FD];
static size_t filled[MAX_FD];
struct waiting { int fd; double due; };
static struct waiting queue[1 << 16]; /* a ring: the delay is the same for all */
static unsigned head, tail, most;
static char reply[2048];
static size_t reply_size;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void make_reply(void) {
    const char *body =
        "{\"id\":\"bench\",\"object\":\"chat.completion\",\"model\":\"bench\","
        "\"system_fingerprint\":\"fp\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
        "\"message\":{\"role\":\"assistant\",\"content\":\"{\\\"detected\\\": true, "
        "\\\"confidence\\\": 0.87, \\\"indicators\\\": [\\\"a threat\\\", \\\"a former partner\\\"], "
        "\\\"rationale\\\": \\\"The invented text names a former partner who had threatened the "
        "decedent on two occasions.\\\"}\"}}],"
        "\"usage\":{\"prompt_tokens\":412,\"completion_tokens\":58,\"total_tokens\":470}}";
    reply_size = (size_t)snprintf(reply, sizeof reply,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(body), body);
}

static void answer(int fd) {
    size_t sent = 0;
    while (sent < reply_size) {
        ssize_t n = write(fd, reply + sent, reply_size - sent);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n <= 0) return;
        sent += (size_t)n;
    }
}

/* Length of the first whole request in a buffer, 0 if there is none yet. */
static size_t request_length(const char *buffer, size_t size) {
    const char *end = memmem(buffer, size, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t length = 0;
    for (const char *line = buffer; line < end;) {
        if (!strncasecmp(line, "content-length:", 15)) length = strtoul(line + 15, NULL, 10);
        line = memchr(line, '\n', (size_t)(end - line));
        if (!line) break;
        line++;
    }
    size_t whole = (size_t)(end - buffer) + 4 + length;
    return whole <= size ? whole : 0;
}

static void drop(int fd) {
    close(fd);
    free(input[fd]);
    input[fd] = NULL;
}

static void take(int fd, double delay) {
    if (!input[fd]) { input[fd] = malloc(BUFFER); filled[fd] = 0; }
    for (;;) {
        ssize_t n = read(fd, input[fd] + filled[fd], BUFFER - filled[fd]);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) { drop(fd); return; }
        filled[fd] += (size_t)n;
        size_t length = request_length(input[fd], filled[fd]);
        if (!length) continue;
        memmove(input[fd], input[fd] + length, filled[fd] - length);
        filled[fd] -= length;
        if (delay <= 0) { answer(fd); continue; }
        queue[tail++ & 65535] = (struct waiting){fd, now() + delay};
        if (tail - head > most) most = tail - head;
    }
}

int main(int argc, char **argv) {
    double delay = argc > 1 ? atof(argv[1]) : 0;
    make_reply();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) return 1;
    getsockname(listener, (void *)&address, &size);
    printf("http://127.0.0.1:%d/v1\n", ntohs(address.sin_port));
    fflush(stdout);
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = 0;
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        int wait = head == tail ? -1 : (int)(queue[head & 65535].due - now());
        int n = epoll_wait(poll, events, 256, wait < -1 ? 0 : head != tail && wait < 0 ? 0 : wait);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == 0) {
                printf("%u\n", most);
                return 0;
            }
            if (fd != listener) { take(fd, delay); continue; }
            int client;
            while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (client >= MAX_FD) { close(client); continue; }
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                event.events = EPOLLIN;
                event.data.fd = client;
                epoll_ctl(poll, EPOLL_CTL_ADD, client, &event);
            }
        }
        for (double at = now(); head != tail && queue[head & 65535].due <= at; head++)
            if (input[queue[head & 65535].fd]) answer(queue[head & 65535].fd);
    }
}
