/* SPDX-License-Identifier: MIT */

/* The module as libpam loads it: what it shows, what it brings along, and that it can be opened and
 * closed as often as a host likes. */

#undef NDEBUG
#include <assert.h>

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/macro.h"

#define MODULE "pam/.libs/pam_oidc_keyring.so"
#define N_ROUNDS 1000

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

int main(void) {
        void *module;

        if (access(MODULE, R_OK) < 0)
                return 77; /* a build without shared objects */

        module = module_open();
        check_symbols(module);
        check_flags(module);
        check_needed(module);
        assert(dlclose(module) == 0);
        for (int i = 0; i < N_ROUNDS; i++)
                assert(dlclose(module_open()) == 0);
        /* NODELETE: what libsystemd may hold of it stays valid. */
        assert(dlopen("./" MODULE, RTLD_NOW | RTLD_NOLOAD));
        return 0;
}
