/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/fd-store.h"

/* A service manager: it notes each message and closes what comes with it. */
typedef struct Manager {
        int socket;
        unsigned n;
        char messages[16][256];
        ino_t inodes[16]; /* of the descriptor that came with it, 0: none */
} Manager;

static void *manager_run(void *userdata) {
        Manager *m = userdata;

        while (m->n < ELEMENTSOF(m->messages)) {
                union {
                        struct cmsghdr header;
                        char space[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
                } control = {0};
                struct iovec iov = {m->messages[m->n], sizeof(m->messages[0]) - 1};
                struct msghdr msg = {.msg_iov = &iov,
                                     .msg_iovlen = 1,
                                     .msg_control = &control,
                                     .msg_controllen = sizeof(control)};
                struct stat st;

                if (recvmsg(m->socket, &msg, MSG_CMSG_CLOEXEC) <= 0)
                        return NULL;
                for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
                        if (c->cmsg_type == SCM_RIGHTS) {
                                int fd = *(int *)(void *)CMSG_DATA(c);

                                assert(fstat(fd, &st) == 0);
                                m->inodes[m->n] = st.st_ino;
                                (void)close(fd);
                        }
                if (streq(m->messages[m->n], "END"))
                        return NULL;
                m->n++;
        }
        return NULL;
}

static void manager_begin(Manager *m, pthread_t *thread) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char name[64];

        *m = (Manager){0};
        (void)snprintf(name, sizeof(name), "@oidc-keyring-test-%d", (int)getpid());
        memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
        m->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert(m->socket >= 0);
        assert(bind(m->socket, (struct sockaddr *)&address,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
        assert(setenv("NOTIFY_SOCKET", name, 1) == 0);
        assert(pthread_create(thread, NULL, manager_run, m) == 0);
}

static void manager_end(Manager *m, pthread_t thread) {
        struct sockaddr_un address;
        socklen_t length = sizeof(address);

        assert(getsockname(m->socket, (struct sockaddr *)&address, &length) == 0);
        assert(sendto(m->socket, "END", 3, 0, (struct sockaddr *)&address, length) == 3);
        assert(pthread_join(thread, NULL) == 0);
        (void)close(m->socket);
        assert(unsetenv("NOTIFY_SOCKET") == 0);
}

static void test_push(void) {
        _cleanup_close_ int fd = memfd_create("a", MFD_CLOEXEC);
        pthread_t thread;
        struct stat st;
        Manager m;

        manager_begin(&m, &thread);
        assert(fd >= 0 && fstat(fd, &st) == 0);
        assert(fd_store_push("corp-a_1", UINT64_MAX, fd) == 1);
        /* it has been read when the call comes back */
        assert(m.n >= 1);
        fd_store_remove("corp-a_1", 7);
        manager_end(&m, thread);

        assert(m.n == 3 && m.inodes[0] == st.st_ino);
        assert(streq(m.messages[0], "FDSTORE=1\nFDPOLL=0\nFDNAME=grant.corp-a_1."
                                    "18446744073709551615"));
        assert(streq(m.messages[1], "BARRIER=1"));
        assert(streq(m.messages[2], "FDSTOREREMOVE=1\nFDNAME=grant.corp-a_1.7"));
}

static void test_no_manager(void) {
        _cleanup_close_ int fd = memfd_create("a", MFD_CLOEXEC);

        assert(fd_store_push("corp", 1, fd) == 0);
        fd_store_remove("corp", 1);
        assert(setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1) == 0);
        assert(fd_store_push("corp", 1, fd) < 0);
        assert(unsetenv("NOTIFY_SOCKET") == 0);
}

/* What systemd would hand to a process that it starts. */
static void test_load(void) {
        static const char names[] = "grant.b.9:grant.a.9:foreign:grant.a.10:grant.a.2:grant.A.3:"
                                    "grant.a.x:grant.a.:grant.a";
        static const struct {
                const char *account;
                uint64_t sequence;
                int fd;
        } expected[] = {{"a", 10, 6}, {"a", 9, 4}, {"a", 2, 7}, {"b", 9, 3}};
        StoredGrant *grants = NULL;
        char pid[16];
        size_t n = 0;

        for (int fd = 3; fd < 12; fd++)
                assert(dup2(STDERR_FILENO, fd) == fd);
        (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
        assert(setenv("LISTEN_PID", pid, 1) == 0 && setenv("LISTEN_FDS", "9", 1) == 0 &&
               setenv("LISTEN_FDNAMES", names, 1) == 0);
        assert(fd_store_load(&grants, &n) == 0 && n == ELEMENTSOF(expected));
        for (size_t i = 0; i < n; i++) {
                assert(streq(grants[i].account, expected[i].account));
                assert(grants[i].sequence == expected[i].sequence);
                assert(grants[i].fd == expected[i].fd && fcntl(grants[i].fd, F_GETFD) == 1);
        }
        assert(fcntl(5, F_GETFD) < 0 && fcntl(8, F_GETFD) < 0 && fcntl(11, F_GETFD) < 0);
        fd_store_grants_free(grants, n);
        assert(fcntl(3, F_GETFD) < 0 && fcntl(7, F_GETFD) < 0);

        assert(!getenv("LISTEN_FDS")); /* children of ours get none of it */
        assert(fd_store_load(&grants, &n) == 0 && n == 0);
        fd_store_grants_free(grants, n);
}

int main(void) {
        test_load();
        test_push();
        test_no_manager();
        return 0;
}
