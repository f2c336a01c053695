/* Numbers the file-system calls of a process and its forked children, and strikes at one of them.
 *
 * Preloaded (LD_PRELOAD). Counts calls that change the file system, and flock, whose path, or whose descriptor's
 * path, lies beneath one directory. What happens at the call is told by the environment at start:
 *
 *     FAILPOINT_ROOT    the directory; without it nothing is watched
 *     FAILPOINT_STRIKE  kill-before | kill-after | stop-before | stop-after | fail | fail-on (from then on) |
 *                       fail-after (it happens, and answers an error) | lie (it answers success, and does not happen)
 *     FAILPOINT_AT      at which call, from 1, of those that match
 *     FAILPOINT_MATCH   a text that "name path" or "name path other" of a call must contain to match
 *     FAILPOINT_ERRNO   what a failing call answers
 *     FAILPOINT_PLAIN   set: renameat2 with flags answers EINVAL, as on NFS and FUSE
 *     FAILPOINT_READS   1: opening for reading counts too; 2: so do listing, and looking at what is there
 *     FAILPOINT_TRACE   a file that gets a line per call: number, the newest number when the call returned,
 *                       name, path, other path, answer, errno; separated by tabs
 *
 * or later by failpoint_arm(). Who leads a process group when it is armed is killed and stopped with its group.
 *
 * Not seen: what glibc does inside (fopen), mmap, and programs linked statically.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define AT_HERE AT_FDCWD

static struct { atomic_long calls, matched; } *counted;
static char root[PATH_MAX], strike[16], match[256];
static size_t root_length;
static long strike_at;
static int strike_errno, is_plain, sees_reads, trace = -1, group;

struct call {
    const char *name;
    char path[PATH_MAX], other[PATH_MAX];
    long number;
    int is_struck, refusal;
};

static void keep(char *into, size_t size, const char *text) { snprintf(into, size, "%s", text ? text : ""); }

/* Watch a directory from now on, with fresh counters; children that are forked later share them. */
void failpoint_arm(const char *where, const char *what, long at, const char *matching, int number, int plain,
                   int reads, const char *trace_path) {
    counted = mmap(NULL, sizeof *counted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    keep(strike, sizeof strike, what);
    keep(match, sizeof match, matching);
    strike_at = at, strike_errno = number, is_plain = plain, sees_reads = reads;
    trace = -1;
    if (trace_path && *trace_path) {
        int low = syscall(SYS_openat, AT_HERE, trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        trace = syscall(SYS_fcntl, low, F_DUPFD_CLOEXEC, 900);
        syscall(SYS_close, low);
    }
    group = getpid() == getpgrp() ? getpgrp() : 0;
    keep(root, sizeof root, where);
    root_length = strlen(root);
}

long failpoint_calls(void) { return counted ? atomic_load(&counted->calls) : 0; }

__attribute__((constructor)) static void arm_from_environment(void) {
    const char *at = getenv("FAILPOINT_AT"), *number = getenv("FAILPOINT_ERRNO");
    if (getenv("FAILPOINT_ROOT"))
        failpoint_arm(getenv("FAILPOINT_ROOT"), getenv("FAILPOINT_STRIKE"), at ? atol(at) : 0,
                      getenv("FAILPOINT_MATCH"), number ? atoi(number) : 0, getenv("FAILPOINT_PLAIN") != NULL,
                      getenv("FAILPOINT_READS") ? atoi(getenv("FAILPOINT_READS")) : 0, getenv("FAILPOINT_TRACE"));
}

static void descriptor_path(char *into, int descriptor) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, into, PATH_MAX - 1);
    into[length > 0 ? length : 0] = 0;
}

static void resolve(char *into, int directory, const char *path) {
    into[0] = 0;
    if (path && path[0] == '/') {
        keep(into, PATH_MAX, path);
        return;
    }
    if (directory != AT_HERE)
        descriptor_path(into, directory);
    else if (!getcwd(into, PATH_MAX))
        into[0] = 0;
    size_t length = strlen(into);
    if (path && path[0])
        snprintf(into + length, PATH_MAX - length, "/%s", path);
}

static int is_beneath(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (!path[root_length] || path[root_length] == '/');
}

static void write_trace(const struct call *call, long answer, int number) {
    char text[2 * PATH_MAX + 200];
    if (trace < 0)
        return;
    int length = snprintf(text, sizeof text, "%ld\t%ld\t%s\t%s\t%s\t%ld\t%d\n", call->number, failpoint_calls(),
                          call->name, call->path, call->other, answer, number);
    syscall(SYS_write, trace, text, length);
}

/* To the process; and to its whole group, if it led one when it was armed: as a machine or a container stops. */
static void send_self(int number) {
    syscall(SYS_kill, group ? -group : syscall(SYS_getpid), number);
    while (number == SIGKILL)
        pause();
}

static int matches(const struct call *call) {
    char text[2 * PATH_MAX + 64];
    snprintf(text, sizeof text, "%s %s %s", call->name, call->path, call->other);
    return strstr(text, match) != NULL;
}

static int strikes(const struct call *call, const char *what) { return call->is_struck && !strcmp(strike, what); }

/* Whether the call is watched; it is numbered then, and killed, stopped or refused if its time has come. */
static int begins(struct call *call, const char *name) {
    if (!is_beneath(call->path) && !is_beneath(call->other))
        return 0;
    call->name = name;
    call->number = atomic_fetch_add(&counted->calls, 1) + 1;
    long nth = matches(call) ? atomic_fetch_add(&counted->matched, 1) + 1 : 0;
    call->is_struck = nth && strike_at && (nth == strike_at || (nth > strike_at && !strcmp(strike, "fail-on")));
    call->refusal = strikes(call, "fail") || strikes(call, "fail-on") ? strike_errno : 0;
    if (strikes(call, "kill-before")) {
        write_trace(call, -1, 0);
        send_self(SIGKILL);
    }
    if (strikes(call, "stop-before"))
        send_self(SIGSTOP);
    return 1;
}

static long ends(const struct call *call, long answer) {
    int number = answer < 0 ? errno : 0;
    write_trace(call, answer, number);
    if (strikes(call, "kill-after"))
        send_self(SIGKILL);
    if (strikes(call, "stop-after"))
        send_self(SIGSTOP);
    errno = number ? number : errno;
    return answer;
}

static void one_path(struct call *call, int directory, const char *path) {
    int number = errno;
    resolve(call->path, directory, path);
    call->other[0] = 0;
    errno = number;
}

static void two_paths(struct call *call, int from, const char *path, int to, const char *other) {
    int number = errno;
    resolve(call->path, from, path);
    resolve(call->other, to, other);
    errno = number;
}

static void on_descriptor(struct call *call, int descriptor) {
    int number = errno;
    descriptor_path(call->path, descriptor);
    call->other[0] = 0;
    errno = number;
}

#define PASS_ON(type, name, parameters, arguments, where, refusal_of) \
    type name parameters {                                            \
        static type(*real) parameters;                                \
        struct call call;                                             \
        if (!real)                                                    \
            real = dlsym(RTLD_NEXT, #name);                           \
        if (!root_length)                                             \
            return real arguments;                                    \
        where;                                                        \
        if (!begins(&call, #name))                                    \
            return real arguments;                                    \
        int refusal = call.refusal ? call.refusal : (refusal_of);     \
        if (refusal) {                                                \
            errno = refusal;                                          \
            return ends(&call, -1);                                   \
        }                                                             \
        if (strikes(&call, "lie"))                                    \
            return ends(&call, 0);                                    \
        type answer = real arguments;                                 \
        if (strikes(&call, "fail-after")) {                           \
            errno = strike_errno;                                     \
            answer = -1;                                              \
        }                                                             \
        return ends(&call, answer);                                   \
    }

#define WATCH(type, name, parameters, arguments, where) PASS_ON(type, name, parameters, arguments, where, 0)

WATCH(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size), on_descriptor(&call, fd))
WATCH(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count), on_descriptor(&call, fd))
WATCH(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), on_descriptor(&call, fd))
WATCH(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at),
      on_descriptor(&call, fd))
WATCH(ssize_t, copy_file_range, (int in, off64_t *at, int out, off64_t *to, size_t size, unsigned flags),
      (in, at, out, to, size, flags), on_descriptor(&call, out))
WATCH(ssize_t, sendfile64, (int out, int in, off64_t *at, size_t size), (out, in, at, size), on_descriptor(&call, out))
WATCH(int, fsync, (int fd), (fd), on_descriptor(&call, fd))
WATCH(int, fdatasync, (int fd), (fd), on_descriptor(&call, fd))
WATCH(int, syncfs, (int fd), (fd), on_descriptor(&call, fd))
WATCH(int, flock, (int fd, int how), (fd, how), on_descriptor(&call, fd))
WATCH(int, ftruncate, (int fd, off_t size), (fd, size), on_descriptor(&call, fd))
WATCH(int, ftruncate64, (int fd, off64_t size), (fd, size), on_descriptor(&call, fd))
WATCH(int, truncate, (const char *path, off_t size), (path, size), one_path(&call, AT_HERE, path))
WATCH(int, truncate64, (const char *path, off64_t size), (path, size), one_path(&call, AT_HERE, path))
WATCH(int, fchmod, (int fd, mode_t mode), (fd, mode), on_descriptor(&call, fd))
WATCH(int, chmod, (const char *path, mode_t mode), (path, mode), one_path(&call, AT_HERE, path))
WATCH(int, fchmodat, (int fd, const char *path, mode_t mode, int flags), (fd, path, mode, flags),
      one_path(&call, fd, path))
WATCH(int, chown, (const char *path, uid_t user, gid_t group), (path, user, group), one_path(&call, AT_HERE, path))
WATCH(int, lchown, (const char *path, uid_t user, gid_t group), (path, user, group), one_path(&call, AT_HERE, path))
WATCH(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), on_descriptor(&call, fd))
WATCH(int, fchownat, (int fd, const char *path, uid_t user, gid_t group, int flags), (fd, path, user, group, flags),
      one_path(&call, fd, path))
WATCH(int, utimensat, (int fd, const char *path, const struct timespec times[2], int flags), (fd, path, times, flags),
      one_path(&call, fd, path))
WATCH(int, futimens, (int fd, const struct timespec times[2]), (fd, times), on_descriptor(&call, fd))
WATCH(int, setxattr, (const char *path, const char *name, const void *value, size_t size, int flags),
      (path, name, value, size, flags), one_path(&call, AT_HERE, path))
WATCH(int, mkdir, (const char *path, mode_t mode), (path, mode), one_path(&call, AT_HERE, path))
WATCH(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), one_path(&call, fd, path))
WATCH(int, rmdir, (const char *path), (path), one_path(&call, AT_HERE, path))
WATCH(int, unlink, (const char *path), (path), one_path(&call, AT_HERE, path))
WATCH(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), one_path(&call, fd, path))
WATCH(int, rename, (const char *from, const char *to), (from, to), two_paths(&call, AT_HERE, from, AT_HERE, to))
WATCH(int, renameat, (int from_fd, const char *from, int to_fd, const char *to), (from_fd, from, to_fd, to),
      two_paths(&call, from_fd, from, to_fd, to))
PASS_ON(int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
        (from_fd, from, to_fd, to, flags), two_paths(&call, from_fd, from, to_fd, to), is_plain && flags ? EINVAL : 0)
WATCH(int, link, (const char *from, const char *to), (from, to), two_paths(&call, AT_HERE, from, AT_HERE, to))
WATCH(int, linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags),
      (from_fd, from, to_fd, to, flags), two_paths(&call, from_fd, from, to_fd, to))
WATCH(int, symlink, (const char *to, const char *path), (to, path), one_path(&call, AT_HERE, path))
WATCH(int, symlinkat, (const char *to, int fd, const char *path), (to, fd, path), one_path(&call, fd, path))

static int may_write(int flags) { return flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC); }

/* Opening changes something if it may create or write; else it counts only where reads are watched. */
#define WATCH_OPEN(name, parameters, arguments, where)                                               \
    int name parameters {                                                                            \
        static int(*real) parameters;                                                                \
        struct call call;                                                                            \
        va_list rest;                                                                                \
        va_start(rest, flags);                                                                       \
        mode_t mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                                                \
        if (!real)                                                                                   \
            real = dlsym(RTLD_NEXT, #name);                                                          \
        if (!root_length || (!sees_reads && !may_write(flags)))                                      \
            return real arguments;                                                                   \
        where;                                                                                       \
        if (!begins(&call, may_write(flags) ? "open" : "open-read"))                                 \
            return real arguments;                                                                   \
        if (call.refusal) {                                                                          \
            errno = call.refusal;                                                                    \
            return ends(&call, -1);                                                                  \
        }                                                                                            \
        return ends(&call, real arguments);                                                          \
    }

WATCH_OPEN(open, (const char *path, int flags, ...), (path, flags, mode), one_path(&call, AT_HERE, path))
WATCH_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), one_path(&call, AT_HERE, path))
WATCH_OPEN(openat, (int fd, const char *path, int flags, ...), (fd, path, flags, mode), one_path(&call, fd, path))
WATCH_OPEN(openat64, (int fd, const char *path, int flags, ...), (fd, path, flags, mode), one_path(&call, fd, path))

/* What only looks: refused, and never killed or stopped at, since nothing has changed there. */
#define WATCH_LOOK(type, name, what, parameters, arguments, where, nothing) \
    type name parameters {                                            \
        static type(*real) parameters;                                \
        struct call call;                                             \
        if (!real)                                                    \
            real = dlsym(RTLD_NEXT, #name);                           \
        if (!root_length || sees_reads < 2)                           \
            return real arguments;                                    \
        where;                                                        \
        if (begins(&call, what) && call.refusal) {                    \
            ends(&call, -1);                                          \
            errno = call.refusal;                                     \
            return nothing;                                           \
        }                                                             \
        return real arguments;                                        \
    }

WATCH_LOOK(DIR *, opendir, "list", (const char *path), (path), one_path(&call, AT_HERE, path), NULL)
WATCH_LOOK(DIR *, fdopendir, "list", (int fd), (fd), on_descriptor(&call, fd), NULL)
WATCH_LOOK(struct dirent *, readdir, "list-on", (DIR * of), (of), on_descriptor(&call, dirfd(of)), NULL)
WATCH_LOOK(struct dirent64 *, readdir64, "list-on", (DIR * of), (of), on_descriptor(&call, dirfd(of)), NULL)
WATCH_LOOK(int, stat, "look", (const char *path, struct stat *into), (path, into), one_path(&call, AT_HERE, path), -1)
WATCH_LOOK(int, stat64, "look", (const char *path, struct stat64 *into), (path, into), one_path(&call, AT_HERE, path), -1)
WATCH_LOOK(int, fstatat, "look", (int fd, const char *path, struct stat *into, int flags), (fd, path, into, flags),
           one_path(&call, fd, path), -1)
WATCH_LOOK(int, fstatat64, "look", (int fd, const char *path, struct stat64 *into, int flags), (fd, path, into, flags),
           one_path(&call, fd, path), -1)
WATCH_LOOK(int, lstat, "look", (const char *path, struct stat *into), (path, into), one_path(&call, AT_HERE, path), -1)
WATCH_LOOK(int, lstat64, "look", (const char *path, struct stat64 *into), (path, into), one_path(&call, AT_HERE, path), -1)
