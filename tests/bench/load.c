/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Load for the network rows of `run`, in a language that costs little itself. Prints one JSON line.
 *
 *   load serve PORT                          answers one byte to each connection's first, till killed
 *   load connections ADDRESS PORT SECONDS N  connects, sends a byte, gets one, closes; N at once
 *   load hold ADDRESS PORT N                 N connections that stay, or as many as stand
 *                                            after 20 seconds; ends at the end of its input
 *   load names ADDRESS NAME SECONDS          asks a name server, 64 queries on their way
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in address(const char *text, const char *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    if (inet_pton(AF_INET, text, &a.sin_addr) != 1) {
        errno = EINVAL;
        die(text);
    }
    return a;
}

static void many_descriptors(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void serve(const char *port) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = address("0.0.0.0", port);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&a, sizeof a) || listen(listener, 4096)) die("listen");
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(set, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int client;
                while ((client = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
                    event.data.fd = client;
                    epoll_ctl(set, EPOLL_CTL_ADD, client, &event);
                }
                continue;
            }
            char byte;
            if (read(fd, &byte, 1) != 1 || write(fd, &byte, 1) != 1) close(fd);
        }
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

struct flight { int fd, sent; double start; };

static void begin(int set, struct flight *flight, struct sockaddr_in *to) {
    flight->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    flight->sent = 0;
    flight->start = now();
    if (connect(flight->fd, (void *)to, sizeof *to) && errno != EINPROGRESS) die("connect");
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = flight};
    epoll_ctl(set, EPOLL_CTL_ADD, flight->fd, &event);
}

static void connections(struct sockaddr_in to, double seconds, int at_once) {
    static double times[4000000];
    struct flight *flights = calloc(at_once, sizeof *flights);
    int set = epoll_create1(0), done = 0, failed = 0;
    struct epoll_event events[256];
    struct linger reset = {1, 0};
    double start = now(), end = start + seconds;
    for (int i = 0; i < at_once; i++) begin(set, &flights[i], &to);
    while (now() < end && done < 4000000) {
        int count = epoll_wait(set, events, 256, 100);
        for (int i = 0; i < count; i++) {
            struct flight *flight = events[i].data.ptr;
            char byte = 'x';
            if (!flight->sent) {
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = flight};
                flight->sent = 1;
                if (write(flight->fd, &byte, 1) == 1) {
                    epoll_ctl(set, EPOLL_CTL_MOD, flight->fd, &event);
                    continue;
                }
                failed++;
            } else if (read(flight->fd, &byte, 1) == 1) {
                times[done++] = now() - flight->start;
            } else {
                failed++;
            }
            /* Ports that wait would run out in a second. */
            setsockopt(flight->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            close(flight->fd);
            begin(set, flight, &to);
        }
    }
    double spent = now() - start;
    qsort(times, done, sizeof *times, compare);
    printf("{\"rate\": %.1f, \"median_us\": %.2f, \"failed\": %d}\n", done / spent,
           done ? times[done / 2] * 1e6 : 0, failed);
}

static void hold(struct sockaddr_in to, int wanted) {
    int stand = 0;
    double end = now() + 20;
    for (int i = 0; i < wanted && now() < end; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct timeval patience = {5, 0};
        char byte = 'x';
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (fd < 0 || connect(fd, (void *)&to, sizeof to) || write(fd, &byte, 1) != 1 ||
            read(fd, &byte, 1) != 1)
            break;
        stand++;
    }
    printf("{\"stand\": %d}\n", stand);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {}
}

static int query(unsigned char *packet, unsigned id, const char *name) {
    unsigned char head[12] = {id >> 8, id, 1, 0, 0, 1};
    int at = 12;
    memcpy(packet, head, 12);
    while (*name) {
        int length = strcspn(name, ".");
        packet[at++] = length;
        memcpy(packet + at, name, length);
        at += length;
        name += length + (name[length] == '.');
    }
    unsigned char tail[5] = {0, 0, 1, 0, 1};
    memcpy(packet + at, tail, 5);
    return at + 5;
}

static void names(struct sockaddr_in to, const char *name, double seconds) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), pending = 0;
    unsigned id = 0, answered = 0, lost = 0, bad = 0;
    unsigned char packet[512];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (connect(fd, (void *)&to, sizeof to)) die("connect");
    double start = now(), end = start + seconds;
    while (now() < end) {
        while (pending < 64) {
            if (send(fd, packet, query(packet, id++ & 0xffff, name), 0) < 0) die("send");
            pending++;
        }
        if (poll(&wait, 1, 200) == 0) {
            lost += pending;
            pending = 0;
            continue;
        }
        while (recv(fd, packet, sizeof packet, MSG_DONTWAIT) > 0) {
            pending -= pending > 0;
            /* No error, and an answer. */
            if ((packet[3] & 15) == 0 && packet[7] > 0) answered++;
            else bad++;
        }
    }
    printf("{\"answered\": %u, \"lost\": %u, \"bad\": %u, \"rate\": %.1f}\n", answered, lost, bad,
           answered / (now() - start));
}

int main(int argc, char **argv) {
    many_descriptors();
    if (argc == 3 && !strcmp(argv[1], "serve")) serve(argv[2]);
    if (argc == 6 && !strcmp(argv[1], "connections"))
        return connections(address(argv[2], argv[3]), atof(argv[4]), atoi(argv[5])), 0;
    if (argc == 5 && !strcmp(argv[1], "hold"))
        return hold(address(argv[2], argv[3]), atoi(argv[4])), 0;
    if (argc == 5 && !strcmp(argv[1], "names"))
        return names(address(argv[2], "53"), argv[3], atof(argv[4])), 0;
    fprintf(stderr, "load: see the head of load.c\n");
    return 2;
}
