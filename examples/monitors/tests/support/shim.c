// Preloaded into a listener: stops it at a certain moment, and makes the disk slow.
//
//   STOP_DIR      a file in this directory that is called PROCESS.MOMENT stops the process (SIGSTOP) when it comes to this
//                 moment, once: `begun` (it has noted that it begins an event), `synced` (what it has written is on the disk,
//                 and its locks are still held), `acted` (all but RESULT is done), `answered` (RESULT is written)
//   SYNC_MILLIS   how long each fdatasync takes
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void at(const char *moment) {
    const char *directory = getenv("STOP_DIR"), *process = getenv("SUPERVISOR_PROCESS_NAME");
    char path[4096];
    if (!directory || !process)
        return;
    snprintf(path, sizeof path, "%s/%s.%s", directory, process, moment);
    if (unlink(path) == 0)
        raise(SIGSTOP);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    int is_result = count >= 6 && memcmp(bytes, "RESULT", 6) == 0;
    if (is_result)
        at("acted");
    ssize_t written = syscall(SYS_write, fd, bytes, count);
    if (is_result)
        at("answered");
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, count, offset);
    at("begun");
    return written;
}

int fdatasync(int fd) {
    const char *millis = getenv("SYNC_MILLIS");
    if (millis)
        usleep(1000 * atoi(millis));
    int done = syscall(SYS_fdatasync, fd);
    at("synced");
    return done;
}
