/* SPDX-License-Identifier: MIT */

/* Login after login in one process, a thousand of them: what the process holds after the last is
 * what it held after the first few, in descriptors, mappings and heap. */

#undef NDEBUG
#include <assert.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include <security/pam_appl.h>

#include "common/macro.h"
#include "tests/pam/fake-address.h"
#include "tests/pam/fake-bus.h"
#include "tests/pam/fakepam.h"
#include "tests/pam/host.h"
#include "tests/pam/transcript.h"

#define N_FIRST 20 /* by then everything is loaded and every cache is filled */
#define N_LOGINS 1000

static pam_handle_t *transaction_new(Person *person) {
        pam_handle_t *pamh = fakepam_new();

        fakepam_set_item(pamh, PAM_USER, "alice");
        fakepam_set_item(pamh, PAM_SERVICE, "sshd");
        fakepam_set_item(pamh, PAM_TTY, "ssh");
        fakepam_set_item(pamh, PAM_RHOST, "192.0.2.7");
        fakepam_set_conv(pamh, person_conv(person));
        fakepam_set_passwd(pamh, 1000, 1000);
        return pamh;
}

/* Every third is broken off by the person, and every fifth forgets its data as sshd does. */
static void log_in(unsigned i) {
        bool fails = i % 3 == 2;
        Person person;
        pam_handle_t *pamh;

        person_set(&person, fails ? "fails" : "replies");
        pamh = transaction_new(&person);
        assert(pam_sm_authenticate(pamh, 0, 0, NULL) == (fails ? PAM_CONV_ERR : PAM_SUCCESS));
        if (!fails) {
                assert(pam_sm_acct_mgmt(pamh, 0, 0, NULL) == PAM_SUCCESS);
                if (i % 5 == 0)
                        fakepam_forget_data(pamh);
                assert(pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL) == PAM_SUCCESS);
                fakepam_set_passwd(pamh, geteuid(), getegid());
                assert(pam_sm_open_session(pamh, 0, 0, NULL) == PAM_SUCCESS);
                assert(pam_sm_close_session(pamh, 0, 0, NULL) == PAM_SUCCESS);
        }
        (void)fakepam_free(pamh);
}

static int transcript_new(void) {
        int fd = memfd_create("transcript", MFD_CLOEXEC);

        assert(fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) == 0);
        return fd;
}

int main(int argc, char **argv) {
        char directory[] = "/tmp/oidc-pam.XXXXXX";
        FakeBus system = {.label = "system"}, user = {.label = "user"};
        HostMemory memory = {0};
        HostState host = {0};

        (void)argc;
        host_without_allocator_cache(argv);
        transcript_open(transcript_new());
        assert(mkdtemp(directory));
        fake_bus_start(&system, directory, 0);
        fake_bus_start(&user, directory, 0);
        fake_address_set(system.path, user.path);

        for (unsigned i = 0; i < N_LOGINS; i++) {
                if (i == N_FIRST) {
                        host = host_state();
                        memory = host_memory();
                }
                log_in(i);
        }
        host_check(&host);
        host_memory_check(&memory);
        printf("%d logins: %zu mappings and %zu bytes of heap as after the first %d\n", N_LOGINS,
               memory.n_mappings, memory.heap, N_FIRST);

        fake_bus_stop(&system);
        fake_bus_stop(&user);
        fake_address_set(NULL, NULL);
        (void)rmdir(directory);
        return 0;
}
