/* Closed-loop HTTP/1.1 load: every connection sends the same request again as soon as it is answered.
 *
 *   httpload PORT CONNECTIONS WARM_SECONDS SECONDS PID[,PID...] PATH BODY EXPECTED
 *
 * One thread, epoll, keep-alive. Each answer must be 200, hold EXPECTED and hold no "errors"; others count as bad and make
 * the exit status 1. CPU is that of the given processes, user and system, from /proc. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PIDS = 64, BUFFER = 1 << 20, MOST_LATENCIES = 10000000, REQUEST = 1 << 16 };

typedef struct {
    int fd;
    char *buffer;
    size_t filled;
    uint64_t sent_at;
} Connection;

static int pids[MOST_PIDS], pid_count;
static char request[REQUEST];
static int request_length;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void) {
    double ticks = 0;
    for (int i = 0; i < pid_count; i++) {
        char path[64], text[1024];
        snprintf(path, sizeof path, "/proc/%d/stat", pids[i]);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        text[fread(text, 1, sizeof text - 1, file)] = 0;
        fclose(file);
        unsigned long user = 0, system = 0;
        char *rest = strrchr(text, ')');
        if (rest) sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
        ticks += (double)(user + system);
    }
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static void send_request(Connection *connection) {
    connection->filled = 0;
    connection->sent_at = now();
    if (send(connection->fd, request, (size_t)request_length, MSG_NOSIGNAL) != request_length) fail("send");
}

static void open_connection(Connection *connection, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int one = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(connection->fd, (void *)&address, sizeof address)) fail("connect");
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    connection->buffer = malloc(BUFFER + 1);
}

/* Whether the whole answer has arrived. */
static int is_complete(const Connection *connection) {
    const char *body = strstr(connection->buffer, "\r\n\r\n");
    if (!body) return 0;
    body += 4;
    size_t head = (size_t)(body - connection->buffer);
    const char *length = strcasestr(connection->buffer, "content-length:");
    if (length && length < body) return connection->filled >= head + strtoul(length + 15, 0, 10);
    return connection->filled >= head + 5 && !memcmp(connection->buffer + connection->filled - 5, "0\r\n\r\n", 5);
}

static int is_good(const Connection *connection, const char *expected) {
    return !memcmp(connection->buffer + 9, "200", 3) && strstr(connection->buffer, expected) &&
           !strstr(connection->buffer, "\"errors\"");
}

/* Takes what has arrived; 1 when that completes an answer. */
static int take(Connection *connection) {
    ssize_t got = recv(connection->fd, connection->buffer + connection->filled, BUFFER - connection->filled, 0);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got <= 0) fail("the server closed a connection");
    connection->filled += (size_t)got;
    connection->buffer[connection->filled] = 0;
    return is_complete(connection);
}

static int compare(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

int main(int count, char **given) {
    if (count != 9) {
        fprintf(stderr, "httpload PORT CONNECTIONS WARM_SECONDS SECONDS PID[,PID...] PATH BODY EXPECTED\n");
        return 2;
    }
    int port = atoi(given[1]), connections = atoi(given[2]);
    double warm = atof(given[3]), seconds = atof(given[4]);
    const char *expected = given[8];
    for (char *pid = strtok(given[5], ","); pid && pid_count < MOST_PIDS; pid = strtok(0, ",")) pids[pid_count++] = atoi(pid);
    request_length = snprintf(request, sizeof request,
                              "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\n"
                              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                              given[6], port, strlen(given[7]), given[7]);
    if (request_length >= REQUEST) fail("the request is too long");

    int poll = epoll_create1(0);
    Connection *all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        open_connection(&all[i], port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
        send_request(&all[i]);
    }

    uint32_t *latencies = malloc(MOST_LATENCIES * sizeof *latencies);
    uint64_t begun = now(), measured_from = 0, answers = 0, bad = 0, bytes = 0;
    double cpu_before = 0;
    for (uint64_t time = begun;; time = now()) {
        if (!measured_from && (double)(time - begun) > warm * 1e9) {
            measured_from = time;
            cpu_before = cpu_seconds();
            answers = bytes = 0;
        }
        if (measured_from && (double)(time - measured_from) > seconds * 1e9) break;
        struct epoll_event events[256];
        int ready = epoll_wait(poll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            Connection *connection = events[i].data.ptr;
            if (!take(connection)) continue;
            if (!is_good(connection, expected) && bad++ < 2) fprintf(stderr, "%.600s\n", connection->buffer);
            if (measured_from && answers < MOST_LATENCIES) latencies[answers] = (uint32_t)((now() - connection->sent_at) / 1000);
            answers++;
            bytes += connection->filled;
            send_request(connection);
        }
    }
    double took = (double)(now() - measured_from) / 1e9, cpu = cpu_seconds() - cpu_before;
    uint64_t known = answers < MOST_LATENCIES ? answers : MOST_LATENCIES;
    qsort(latencies, known, sizeof *latencies, compare);
    printf("{\"requests_per_second\": %.0f, \"cpu_microseconds\": %.1f, \"p50_microseconds\": %u, \"p99_microseconds\": %u, "
           "\"bytes\": %.0f, \"bad\": %lu}\n",
           (double)answers / took, answers ? cpu * 1e6 / (double)answers : 0, known ? latencies[known / 2] : 0,
           known ? latencies[known * 99 / 100] : 0, answers ? (double)bytes / (double)answers : 0, (unsigned long)bad);
    return bad != 0;
}
