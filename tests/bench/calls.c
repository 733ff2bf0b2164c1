// SPDX-License-Identifier: Apache-2.0 OR MIT
/* One system call over many names, for the overlay rows of `run`: calls WORK DIRECTORY COUNT. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char name[4096], other[4096];
static const char *directory;

static void fail(const char *call) {
    fprintf(stderr, "%s %s: %s\n", call, name, strerror(errno));
    exit(1);
}

/* A hundred names a directory, as make_tree of overlay.py lays them out. */
static const char *file(const char *stem, int i) {
    snprintf(name, sizeof name, "%s/d%d/%s%d", directory, i / 100, stem, i % 100);
    return name;
}

static int opened(const char *path, int flags) {
    int fd = open(path, flags, 0644);
    if (fd < 0) fail("open");
    return fd;
}

static void put(int fd, const char *bytes, size_t size) {
    if (write(fd, bytes, size) != (ssize_t)size) fail("write");
}

static void one(const char *work, int i) {
    struct stat status;
    if (!strcmp(work, "stat")) {
        if (stat(file("f", i), &status)) fail("stat");
    } else if (!strcmp(work, "enoent")) {
        if (!stat(file("missing", i), &status) || errno != ENOENT) fail("stat");
    } else if (!strcmp(work, "open")) {
        close(opened(file("f", i), O_RDONLY));
    } else if (!strcmp(work, "chmod")) {
        if (chmod(file("f", i), 0640)) fail("chmod");
    } else if (!strcmp(work, "change")) {
        int fd = opened(file("f", i), O_WRONLY | O_APPEND);
        put(fd, "x", 1);
        close(fd);
    } else if (!strcmp(work, "unlink")) {
        if (unlink(file("f", i))) fail("unlink");
    } else if (!strcmp(work, "create")) {
        snprintf(name, sizeof name, "%s/new%d", directory, i);
        int fd = opened(name, O_WRONLY | O_CREAT | O_EXCL);
        put(fd, "x", 1);
        close(fd);
    } else if (!strcmp(work, "rename")) {
        snprintf(name, sizeof name, "%s/new%d", directory, i);
        snprintf(other, sizeof other, "%s/other%d", directory, i);
        if (rename(name, other)) fail("rename");
    } else {
        fprintf(stderr, "unknown work %s\n", work);
        exit(2);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    directory = argv[2];
    int count = atoi(argv[3]);
    if (strcmp(argv[1], "append")) {
        for (int i = 0; i < count; i++) one(argv[1], i);
        return 0;
    }
    char line[100];
    memset(line, 'x', sizeof line);
    snprintf(name, sizeof name, "%s/log", directory);
    int fd = opened(name, O_WRONLY | O_CREAT | O_APPEND);
    for (int i = 0; i < count; i++) put(fd, line, sizeof line);
    return close(fd);
}
