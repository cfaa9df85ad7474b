/* SPDX-License-Identifier: MIT */

/* The module as libpam loads it: what it shows, what it brings along, and that it can be opened and
 * closed as often as a host likes. */

#undef NDEBUG
#include <assert.h>

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>

#include <security/pam_appl.h>

#include "common/macro.h"
#include "tests/pam/host.h"

#define MODULE "pam/.libs/pam_oidc_keyring.so"
#define N_ROUNDS 1000
#define N_FIRST 20 /* rounds after which nothing is new any more */

static const ElfW(Dyn) * dynamic_next(const ElfW(Dyn) * d, ElfW(Sxword) tag) {
        for (; d->d_tag != DT_NULL; d++)
                if (d->d_tag == tag)
                        return d;
        return NULL;
}

static const struct link_map *map_of(void *module) {
        struct link_map *map = NULL;

        assert(dlinfo(module, RTLD_DI_LINKMAP, &map) == 0);
        return map;
}

static void check_symbols(void *module) {
        static const char *const shown[] = {"pam_sm_authenticate",  "pam_sm_setcred",
                                            "pam_sm_acct_mgmt",     "pam_sm_open_session",
                                            "pam_sm_close_session", "pam_sm_chauthtok"};
        static const char *const hidden[] = {"authenticate", "bus_call", "outcome_message",
                                             "options_parse"};

        for (size_t i = 0; i < ELEMENTSOF(shown); i++)
                assert(dlsym(module, shown[i]));
        for (size_t i = 0; i < ELEMENTSOF(hidden); i++)
                assert(!dlsym(module, hidden[i]));
}

static void check_flags(void *module) {
        const ElfW(Dyn) *flags = dynamic_next(map_of(module)->l_ld, DT_FLAGS_1);

        assert(flags);
        assert(flags->d_un.d_val & DF_1_NODELETE);
#ifndef __SANITIZE_ADDRESS__
        assert(flags->d_un.d_val & DF_1_NOW);
#endif
        assert(!dynamic_next(map_of(module)->l_ld, DT_TEXTREL));
}

/* What the module itself asks for. A sanitizer's runtime comes on top of it. */
static void check_needed(void *module) {
        static const char *const allowed[] = {
                "libsystemd.so.0", "libpam.so.0",   "libc.so.6",
#ifdef __SANITIZE_ADDRESS__
                "libasan.so.8",    "libubsan.so.1",
#endif
        };
        const struct link_map *map = map_of(module);
        const char *strings = (const char *)dynamic_next(map->l_ld, DT_STRTAB)->d_un.d_ptr;
        const ElfW(Dyn) *needed = map->l_ld;

        while ((needed = dynamic_next(needed, DT_NEEDED))) {
                bool known = false;

                for (size_t i = 0; i < ELEMENTSOF(allowed); i++)
                        known = known || streq(strings + needed->d_un.d_val, allowed[i]);
                if (!known)
                        fprintf(stderr, "needs %s\n", strings + needed->d_un.d_val);
                assert(known);
                needed++;
        }
}

static void *module_open(void) {
        void *module = dlopen("./" MODULE, RTLD_NOW);

        if (!module)
                fprintf(stderr, "%s\n", dlerror());
        assert(module);
        return module;
}

/* A service whose every phase is the module and nothing else. */
static void write_service(const char *folder) {
        static const char *const phases[] = {"auth", "account", "session", "password"};
        _cleanup_free_ char *path = NULL, *module = realpath(MODULE, NULL);
        FILE *file;

        assert(module && asprintf(&path, "%s/walls", folder) >= 0);
        file = fopen(path, "we");
        assert(file);
        for (size_t i = 0; i < ELEMENTSOF(phases); i++)
                assert(fprintf(file, "%s required %s\n", phases[i], module) > 0);
        assert(fclose(file) == 0);
}

/* A transaction, with all that libpam loads for it and unloads after it. The user is root, whom the
 * module leaves alone, so that nobody is asked; PAM_IGNORE alone lets nobody in. */
static void transact(const char *folder, const struct pam_conv *conv) {
        pam_handle_t *pamh = NULL;

        assert(pam_start_confdir("walls", "root", conv, folder, &pamh) == PAM_SUCCESS);
        assert(pam_acct_mgmt(pamh, PAM_SILENT) == PAM_PERM_DENIED);
        assert(pam_setcred(pamh, PAM_ESTABLISH_CRED) == PAM_SUCCESS);
        assert(pam_open_session(pamh, 0) == PAM_PERM_DENIED);
        assert(pam_close_session(pamh, 0) == PAM_PERM_DENIED); /* as the opening */
        assert(pam_chauthtok(pamh, 0) != PAM_SUCCESS);
        assert(pam_end(pamh, PAM_SUCCESS) == PAM_SUCCESS);
}

static void check_rounds(void) {
        char folder[] = "/tmp/oidc-pam.XXXXXX", file[PATH_MAX];
        HostMemory memory = {0};
        HostState host = {0};
        Person person;

        person_set(&person, "replies");
        assert(mkdtemp(folder));
        write_service(folder);
        for (int i = 0; i < N_ROUNDS; i++) {
                if (i == N_FIRST) {
                        host = host_state();
                        memory = host_memory();
                }
                transact(folder, person_conv(&person));
                assert(dlclose(module_open()) == 0);
        }
        host_check(&host);
        host_memory_check(&memory);
        printf("%d loads: %zu mappings and %zu bytes of heap as after the first %d\n", 2 * N_ROUNDS,
               memory.n_mappings, memory.heap, 2 * N_FIRST);
        (void)snprintf(file, sizeof(file), "%s/walls", folder);
        assert(unlink(file) == 0 && rmdir(folder) == 0);
}

int main(int argc, char **argv) {
        HostState before;
        void *module;

        (void)argc;

        if (access(MODULE, R_OK) < 0)
                return 77; /* a build without shared objects */

        host_without_allocator_cache(argv);
        before = host_state();
        module = module_open();
        host_check(&before); /* loading does nothing */
        check_symbols(module);
        check_flags(module);
        check_needed(module);
        assert(dlclose(module) == 0);
        check_rounds();
        /* NODELETE: what libsystemd may hold of it stays valid. */
        assert(dlopen("./" MODULE, RTLD_NOW | RTLD_NOLOAD));
        return 0;
}
