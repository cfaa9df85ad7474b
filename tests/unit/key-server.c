/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include "tests/unit/key-server.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/names.h"

static void serve(int fd, const char *answer, size_t size) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
                int client = accept(fd, NULL, NULL);

                if (write(client, answer, size) != (ssize_t)size)
                        _exit(1);
                (void)close(client);
        }
}

static void path_of(const char *root, struct sockaddr_un *ret) {
        int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s" HOST_KEY_SOCKET, root);

        assert(n > 0 && (size_t)n < sizeof(ret->sun_path));
        ret->sun_family = AF_UNIX;
}

pid_t key_server_start(const char *root, const char *answer, size_t size) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address;
        char run[sizeof(address.sun_path)];
        pid_t pid;

        assert(snprintf(run, sizeof(run), "%s/run", root) < (int)sizeof(run));
        assert(mkdir(run, 0755) == 0 || errno == EEXIST);
        path_of(root, &address);
        assert(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
        assert(listen(fd, 8) == 0);
        pid = fork();
        assert(pid >= 0);
        if (pid == 0)
                serve(fd, answer, size);
        (void)close(fd);
        return pid;
}

void key_server_end(const char *root, pid_t pid) {
        struct sockaddr_un address;

        assert(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
        path_of(root, &address);
        assert(unlink(address.sun_path) == 0);
}
