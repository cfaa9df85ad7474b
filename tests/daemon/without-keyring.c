/* SPDX-License-Identifier: MIT */

/* without-keyring EPERM|ENOSYS PROGRAM...: runs it where keyrings are forbidden, as in a container:
 * their three system calls fail with that error. */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/macro.h"

#define FORBIDDEN(call, to_the_end) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, to_the_end, 0)

int main(int argc, char *argv[]) {
        const unsigned error = argc > 2 && streq(argv[1], "ENOSYS") ? ENOSYS : EPERM;
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                FORBIDDEN(SYS_add_key, 3),
                FORBIDDEN(SYS_request_key, 2),
                FORBIDDEN(SYS_keyctl, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        };
        const struct sock_fprog program = {ELEMENTSOF(filter), filter};

        if (argc < 3 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                return EXIT_FAILURE;
        (void)execvp(argv[2], argv + 2);
        perror(argv[2]);
        return EXIT_FAILURE;
}
