/* Fan-out load over graphql-transport-ws: subscribes on many sockets, feeds events to the server, checks what comes back.
 *
 *   wsload --port P --feed PORT --query DOCUMENT --mints FILE --pids PID[,PID...] [--connections N] [--path /graphql]
 *          [--in-flight W | --rate EVENTS_A_SECOND | --idle] [--warm SECONDS] [--seconds S] [--distinct]
 *
 * One thread, epoll. The document is escaped as inside a JSON string and takes `$mint`; socket i asks for line i of FILE, beginning again at its end, and events
 * go to the mints in turn. An event is one JSON object a line over TCP to --feed:
 *   {"mintAddress", "signature", "side", "priceSol", "quoteAmount", "tokenAmount", "blockTime", "traderAddress", "trader": {"address"}}
 * Its signature, "T<20 digits: monotonic nanoseconds>S<10 digits: number>xxx…", must come back as it was: that is the clock.
 *   --in-flight W  sends the next event when all but the newest W - 1 have reached everybody: 1 is one at a time.
 *   --rate R       sends by the clock; latency counts from when an event was due.
 *   --idle         sends nothing: what subscribed sockets cost.
 *   --distinct     makes every socket's document differ from all others, by a comment.
 * Every message must be strict JSON of type `next`, for the socket's own id, with `data` an object and without `errors`; what
 * is not counts as bad. After the run the rest is waited for: `missing` must be 0. Exit status 1 where anything was bad or
 * missing. CPU is that of the given processes, user and system, from /proc. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PIDS = 64, MOST_IN_FLIGHT = 4096, MOST_JSON_DEPTH = 30, OPENING_AT_ONCE = 40, BUCKETS = 64 * 64, TEXT = 8192 };
#define NO_CONNECTION UINT32_MAX

typedef enum { HANDSHAKE, ACKNOWLEDGING, SUBSCRIBED } State;

typedef struct {
    int fd;
    State state;
    uint32_t filled, room;
    unsigned char *buffer;
    char id[40];
    size_t id_length;
} Connection;

typedef struct {
    const char *type, *id, *signature;
    size_t type_length, id_length;
    int has_data, has_errors;
} Message;

static const char *path = "/graphql", *query = "", *mints_file = "";
static int port, feed_port, connection_count = 100, in_flight, is_idle, is_distinct, pids[MOST_PIDS], pid_count;
static double rate, warm_seconds = 1, seconds = 5;

static Connection *connections;
static char **mints;
static uint64_t *members; /* sockets of each mint */
static int mint_count, poller, feed_socket = -1;
static uint64_t subscribed, closed, sent, due, received, bad, other_messages;
static int is_measuring;
static uint64_t measured, measured_bytes, latencies[BUCKETS], latency_count;

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- latency: 64 buckets for each power of two */

static void note_latency(uint64_t nanoseconds) {
    if (nanoseconds < 64) nanoseconds = 64;
    int power = 63 - __builtin_clzll(nanoseconds);
    latencies[power * 64 + (int)((nanoseconds >> (power - 6)) & 63)]++;
    latency_count++;
}

static double latency_ms(double part) {
    uint64_t wanted = (uint64_t)(part * (double)latency_count), seen = 0;
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
        seen += latencies[bucket];
        if (seen > wanted) return (double)(1ull << (bucket / 64)) * (1 + (bucket % 64) / 64.0) / 1e6;
    }
    return 0;
}

/* ---- processes */

static void cpu_seconds(double *user, double *system) {
    unsigned long user_ticks = 0, system_ticks = 0;
    for (int i = 0; i < pid_count; i++) {
        char name[64], text[1024];
        snprintf(name, sizeof name, "/proc/%d/stat", pids[i]);
        FILE *file = fopen(name, "r");
        if (!file) continue;
        text[fread(text, 1, sizeof text - 1, file)] = 0;
        fclose(file);
        unsigned long u = 0, s = 0;
        char *rest = strrchr(text, ')');
        if (rest) sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s);
        user_ticks += u, system_ticks += s;
    }
    double a_second = (double)sysconf(_SC_CLK_TCK);
    *user = (double)user_ticks / a_second, *system = (double)system_ticks / a_second;
}

static long memory_kb(void) {
    long sum = 0;
    for (int i = 0; i < pid_count; i++) {
        char name[64], line[256];
        snprintf(name, sizeof name, "/proc/%d/status", pids[i]);
        FILE *file = fopen(name, "r");
        if (!file) continue;
        while (fgets(line, sizeof line, file))
            if (!strncmp(line, "VmRSS:", 6)) sum += atol(line + 6);
        fclose(file);
    }
    return sum;
}

/* ---- strict JSON: a walk returns the end of the value, or 0 where it is none */

static const char *after_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
    return p;
}

static const char *after_string(const char *p, const char *end) {
    if (p >= end || *p != '"') return 0;
    for (p++; p < end; p++) {
        if (*p == '\\') p++;
        else if (*p == '"') return p + 1;
        else if ((unsigned char)*p < 32) return 0;
    }
    return 0;
}

static int is_named(const char *key, size_t length, const char *name) {
    return length == strlen(name) && !memcmp(key, name, length);
}

static void note_member(Message *message, int depth, int in_payload, const char *key, size_t length, const char *value,
                        const char *end) {
    if (depth == 0 && is_named(key, length, "type")) message->type = value + 1, message->type_length = (size_t)(end - value - 2);
    else if (depth == 0 && is_named(key, length, "id")) message->id = value + 1, message->id_length = (size_t)(end - value - 2);
    else if (in_payload && is_named(key, length, "data")) message->has_data = *value == '{';
    else if (in_payload && is_named(key, length, "errors")) message->has_errors = 1;
    else if (is_named(key, length, "signature") && *value == '"') message->signature = value + 1;
}

static const char *after_value(const char *p, const char *end, int depth, int in_payload, Message *message) {
    p = after_space(p, end);
    if (p >= end || depth > MOST_JSON_DEPTH) return 0;
    if (*p == '"') return after_string(p, end);
    if (*p == '{' || *p == '[') {
        char closing = *p == '{' ? '}' : ']';
        int is_object = *p == '{';
        p = after_space(p + 1, end);
        if (p < end && *p == closing) return p + 1;
        for (;;) {
            const char *key = 0;
            size_t length = 0;
            if (is_object) {
                key = after_space(p, end) + 1;
                p = after_string(key - 1, end);
                if (!p) return 0;
                length = (size_t)(p - key - 1);
                p = after_space(p, end);
                if (p >= end || *p != ':') return 0;
                p++;
            }
            const char *value = after_space(p, end);
            p = after_value(value, end, depth + 1, is_object && depth == 0 && is_named(key, length, "payload"), message);
            if (!p) return 0;
            if (is_object) note_member(message, depth, in_payload, key, length, value, p);
            p = after_space(p, end);
            if (p < end && *p == ',') p++;
            else return p < end && *p == closing ? p + 1 : 0;
        }
    }
    const char *begin = p;
    while (p < end && strchr("+-0123456789.eEtrufalsn", *p)) p++;
    return p > begin ? p : 0;
}

/* ---- sockets */

static int connected(int to) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (void *)&address, sizeof address)) fail("connect");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void watch(int fd, uint32_t index) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

/* A client's frame must be masked: here with zeros, which change nothing. */
static void send_frame(int fd, int opcode, const char *text, size_t length) {
    unsigned char frame[TEXT + 16];
    size_t head = 2;
    frame[0] = (unsigned char)(0x80 | opcode);
    if (length < 126) frame[1] = (unsigned char)(0x80 | length);
    else frame[1] = 0x80 | 126, frame[2] = (unsigned char)(length >> 8), frame[3] = (unsigned char)length, head = 4;
    memset(frame + head, 0, 4);
    memcpy(frame + head + 4, text, length);
    size_t whole = head + 4 + length;
    if (send(fd, frame, whole, MSG_NOSIGNAL) != (ssize_t)whole) fail("send");
}

static void subscribe(Connection *connection) {
    char text[TEXT], distinct[32] = "";
    int index = (int)(connection - connections);
    if (is_distinct) snprintf(distinct, sizeof distinct, "\\n# %d", index);
    int length = snprintf(text, sizeof text,
                          "{\"id\":\"%s\",\"type\":\"subscribe\",\"payload\":{\"query\":\"%s%s\",\"variables\":{\"mint\":\"%s\"}}}",
                          connection->id, query, distinct, mints[index % mint_count]);
    if (length >= TEXT) fail("the document is too long");
    send_frame(connection->fd, 1, text, (size_t)length);
    connection->state = SUBSCRIBED;
    subscribed++;
}

static void drop(Connection *connection) {
    if (connection->fd < 0) return;
    close(connection->fd);
    connection->fd = -1;
    closed++;
}

static void complain(const char *what, const char *text, size_t length) {
    static int told;
    if (told++ < 4) fprintf(stderr, "%s: %.*s\n", what, (int)(length > 600 ? 600 : length), text);
}

static void on_text(Connection *connection, const char *text, size_t length, uint64_t time) {
    Message message = {0};
    if (after_value(text, text + length, 0, 0, &message) != text + length || !message.type) {
        bad++;
        complain("not JSON", text, length);
    } else if (is_named(message.type, message.type_length, "next")) {
        int is_good = message.has_data && !message.has_errors && message.signature && *message.signature == 'T' &&
                      is_named(message.id, message.id_length, connection->id);
        if (!is_good) {
            bad++;
            complain("wrong next", text, length);
            return;
        }
        received++;
        if (!is_measuring) return;
        uint64_t stamp = strtoull(message.signature + 1, 0, 10);
        note_latency(time > stamp ? time - stamp : 0);
        measured++;
        measured_bytes += length;
    } else if (is_named(message.type, message.type_length, "connection_ack")) {
        subscribe(connection);
    } else if (is_named(message.type, message.type_length, "ping")) {
        send_frame(connection->fd, 1, "{\"type\":\"pong\"}", 15);
    } else {
        other_messages++;
        complain("neither next nor ack", text, length);
    }
}

/* Handles one frame; its size, or 0 while it is not whole. */
static size_t on_frame(Connection *connection, unsigned char *frame, size_t filled, uint64_t time) {
    if (filled < 2) return 0;
    size_t length = frame[1] & 127, head = 2;
    if (length == 126) head = 4;
    if (length == 127) head = 10;
    if (filled < head) return 0;
    if (head > 2) length = 0;
    for (size_t i = 2; i < head; i++) length = length << 8 | frame[i];
    if (filled < head + length) return 0;
    char *text = (char *)frame + head;
    switch (frame[0] & 15) {
        case 1: on_text(connection, text, length, time); break;
        case 9: send_frame(connection->fd, 10, text, length); break;
        case 8:
            complain("closed", text + 2, length > 2 ? length - 2 : 0);
            drop(connection);
            break;
        default: bad++;
    }
    return head + length;
}

static size_t on_handshake(Connection *connection) {
    char *end = memmem(connection->buffer, connection->filled, "\r\n\r\n", 4);
    if (!end) return 0;
    if (memcmp(connection->buffer + 9, "101", 3)) {
        fprintf(stderr, "refused: %.300s\n", connection->buffer);
        exit(2);
    }
    connection->state = ACKNOWLEDGING;
    send_frame(connection->fd, 1, "{\"type\":\"connection_init\"}", 26);
    return (size_t)((unsigned char *)end + 4 - connection->buffer);
}

static void on_bytes(Connection *connection) {
    for (;;) {
        if (connection->room - connection->filled < 4096) {
            connection->room = connection->room ? connection->room * 2 : 8192;
            connection->buffer = realloc(connection->buffer, connection->room);
        }
        size_t room = connection->room - connection->filled;
        ssize_t got = recv(connection->fd, connection->buffer + connection->filled, room, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            drop(connection);
            return;
        }
        connection->filled += (uint32_t)got;
        uint64_t time = now();
        size_t used = connection->state == HANDSHAKE ? on_handshake(connection) : 0, taken;
        while (connection->state != HANDSHAKE && connection->fd >= 0 &&
               (taken = on_frame(connection, connection->buffer + used, connection->filled - used, time)))
            used += taken;
        if (connection->fd < 0) return;
        memmove(connection->buffer, connection->buffer + used, connection->filled - used);
        connection->filled -= (uint32_t)used;
        if ((size_t)got < room) return;
    }
}

static void handle(int milliseconds) {
    struct epoll_event events[512];
    int ready = epoll_wait(poller, events, 512, milliseconds);
    for (int i = 0; i < ready; i++)
        if (events[i].data.u32 != NO_CONNECTION && connections[events[i].data.u32].fd >= 0)
            on_bytes(&connections[events[i].data.u32]);
}

static void handle_for(double duration) {
    for (uint64_t begun = now(); (double)(now() - begun) < duration * 1e9;) handle(50);
}

/* ---- phases */

static void open_all(void) {
    connections = calloc((size_t)connection_count, sizeof *connections);
    for (int i = 0; i < connection_count; i++) {
        Connection *connection = &connections[i];
        connection->id_length =
            (size_t)snprintf(connection->id, sizeof connection->id, "%08x-0000-4000-8000-%012x", i * 2654435761u, i);
        connection->fd = connected(port);
        members[i % mint_count]++;
        char request[1024];
        int length = snprintf(request, sizeof request,
                              "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
                              path, port);
        if (send(connection->fd, request, (size_t)length, MSG_NOSIGNAL) != length) fail("send");
        watch(connection->fd, (uint32_t)i);
        while ((uint64_t)i + 1 - subscribed - closed > OPENING_AT_ONCE) handle(100);
    }
    for (uint64_t begun = now(); subscribed + closed < (uint64_t)connection_count && now() - begun < 60000000000ull;) handle(100);
}

static void send_event(uint64_t stamp) {
    char line[2048];
    int topic = (int)(sent % (uint64_t)mint_count);
    size_t length = (size_t)snprintf(
        line, sizeof line,
        "{\"mintAddress\":\"%s\",\"signature\":\"T%020" PRIu64 "S%010" PRIu64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\","
        "\"side\":\"BUY\",\"priceSol\":3.505e-8,\"quoteAmount\":\"1234500000\",\"tokenAmount\":\"35218903482911\","
        "\"blockTime\":\"2026-01-31T23:59:59.000Z\",\"traderAddress\":\"9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM\","
        "\"trader\":{\"address\":\"9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM\"}}\n",
        mints[topic], stamp, sent);
    for (size_t done = 0; done < length;) {
        ssize_t got = send(feed_socket, line + done, length - done, MSG_NOSIGNAL);
        if (got > 0) done += (size_t)got;
        else if (errno == EAGAIN) usleep(50);
        else fail("feed");
    }
    sent++;
    due += members[topic];
}

/* Deliveries of the newest W - 1 events, which may still be on their way. */
static uint64_t on_their_way(void) {
    uint64_t sum = 0;
    for (uint64_t back = 1; back < (uint64_t)in_flight && back <= sent; back++) sum += members[(sent - back) % (uint64_t)mint_count];
    return sum;
}

static void send_in_flight(void) {
    while (received + on_their_way() >= due) send_event(now());
    handle(20);
}

static void send_by_clock(uint64_t *next) {
    uint64_t step = (uint64_t)(1e9 / rate), time = now();
    for (; *next <= time; *next += step) send_event(*next);
    time = now();
    handle(*next > time ? (int)((*next - time) / 1000000) : 0);
}

static void read_mints(void) {
    FILE *file = fopen(mints_file, "r");
    char line[128];
    if (!file) fail(mints_file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        mints = realloc(mints, (size_t)(mint_count + 1) * sizeof *mints);
        mints[mint_count++] = strdup(line);
    }
    fclose(file);
    if (mint_count > connection_count) mint_count = connection_count;
    if (!mint_count) fail("no mints");
    members = calloc((size_t)mint_count, sizeof *members);
}

static void read_options(int count, char **given) {
    for (int i = 1; i < count; i++) {
        const char *name = given[i];
        if (!strcmp(name, "--idle")) is_idle = 1;
        else if (!strcmp(name, "--distinct")) is_distinct = 1;
        else if (i + 1 == count) fail(name);
        else if (!strcmp(name, "--port")) port = atoi(given[++i]);
        else if (!strcmp(name, "--feed")) feed_port = atoi(given[++i]);
        else if (!strcmp(name, "--path")) path = given[++i];
        else if (!strcmp(name, "--query")) query = given[++i];
        else if (!strcmp(name, "--mints")) mints_file = given[++i];
        else if (!strcmp(name, "--connections")) connection_count = atoi(given[++i]);
        else if (!strcmp(name, "--in-flight")) in_flight = atoi(given[++i]);
        else if (!strcmp(name, "--rate")) rate = atof(given[++i]);
        else if (!strcmp(name, "--warm")) warm_seconds = atof(given[++i]);
        else if (!strcmp(name, "--seconds")) seconds = atof(given[++i]);
        else if (!strcmp(name, "--pids"))
            for (char *pid = strtok(given[++i], ","); pid && pid_count < MOST_PIDS; pid = strtok(0, ",")) pids[pid_count++] = atoi(pid);
        else fail(name);
    }
    if (in_flight > MOST_IN_FLIGHT || (!is_idle && !in_flight && rate <= 0)) fail("--in-flight, --rate or --idle");
}

int main(int count, char **given) {
    read_options(count, given);
    read_mints();
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(0);

    long memory_before = memory_kb();
    uint64_t begun = now();
    open_all();
    double opened_in = (double)(now() - begun) / 1e9;
    handle_for(1.5); /* until the server has registered the last of them */
    long memory_subscribed = memory_kb();

    double user_before, system_before, user, system;
    uint64_t sent_before = 0, measured_from = 0;
    if (is_idle) {
        cpu_seconds(&user_before, &system_before);
        measured_from = now();
        handle_for(seconds);
    } else {
        feed_socket = connected(feed_port);
        watch(feed_socket, NO_CONNECTION);
        uint64_t start = now(), next = start, last_change = start, last_received = 0;
        for (uint64_t time = start; (double)(time - start) < (warm_seconds + seconds) * 1e9; time = now()) {
            if (!is_measuring && (double)(time - start) >= warm_seconds * 1e9) {
                is_measuring = 1, measured_from = time, sent_before = sent;
                cpu_seconds(&user_before, &system_before);
            }
            if (in_flight) send_in_flight();
            else send_by_clock(&next);
            if (received != last_received) last_received = received, last_change = now();
            else if (now() - last_change > 8000000000ull) break;
        }
    }
    cpu_seconds(&user, &system);
    double took = (double)(now() - measured_from) / 1e9, a_delivery = measured ? 1e6 / (double)measured : 0;
    is_measuring = 0;
    uint64_t events = sent - sent_before;
    for (uint64_t drain = now(); received < due && now() - drain < 10000000000ull;) handle(50);

    double cpu = user - user_before + system - system_before;
    printf("{\"connections\": %d, \"mints\": %d, \"events\": %" PRIu64 ", \"deliveries\": %" PRIu64 ", \"deliveries_per_second\": %.0f, "
           "\"cpu_seconds\": %.2f, \"cpu_microseconds\": %.2f, \"user_microseconds\": %.2f, \"system_microseconds\": %.2f, "
           "\"deliveries_per_core_second\": %.0f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"bytes\": %.0f, "
           "\"connect_seconds\": %.2f, \"kib_per_connection\": %.1f, \"memory_mb\": %.1f, "
           "\"missing\": %" PRId64 ", \"bad\": %" PRIu64 ", \"other\": %" PRIu64 ", \"closed\": %" PRIu64 "}\n",
           connection_count, mint_count, events, measured, (double)measured / took, cpu, cpu * a_delivery,
           (user - user_before) * a_delivery, (system - system_before) * a_delivery, cpu > 0 ? (double)measured / cpu : 0,
           latency_ms(.5), latency_ms(.99), measured ? (double)measured_bytes / (double)measured : 0, opened_in,
           (double)(memory_subscribed - memory_before) / connection_count, (double)memory_kb() / 1024,
           (int64_t)(due - received), bad, other_messages, closed);
    return bad || received != due || closed ? 1 : 0;
}
