/* SPDX-License-Identifier: MIT */
#pragma once

/* Bindings: which identity a local user name belongs to. The first login of a name through a
 * provider stores issuer and subject (bind_subject in oidc-keyring.conf(5)); from then on nobody
 * else gets in under that name, whatever the provider puts into the claim that is compared with it.
 * With user_map the map says who is whom, and nothing is stored.
 *
 * A binding is a small file STATE_FOLDER/bindings/PROVIDER/USER that is written once and never
 * changed. It is of the name, not of a uid: a name that was given to somebody else stays refused
 * until root clears the binding. */

#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

typedef struct Bindings Bindings;

/* They lie in STATE_FOLDER below @root ("" or NULL for "/"), which nobody makes here. */
int bindings_new(const char *root, Bindings **ret);
Bindings *bindings_free(Bindings *bindings);
DEFINE_CLEANUP(Bindings, bindings_free);

/* Whether @user may log in as @subject: compares with the binding, or makes it, so everything else
 * about the login has to be decided before. 0; OUTCOME_IDENTITY_CHANGED;
 * OUTCOME_STATE_UNUSABLE if there may be a binding that cannot be read, or there is none and it
 * cannot be written. Both are told to the administrator in the log. */
int bindings_admit(const Bindings *bindings, const ProviderConfig *config, const char *user,
                   const char *subject);

/* The same without making one: whether @user is still bound to @subject, where users are bound.
 * OUTCOME_IDENTITY_CHANGED: to another one or to none. OUTCOME_STATE_UNUSABLE. */
int bindings_confirm(const Bindings *bindings, const ProviderConfig *config, const char *user,
                     const char *subject);

typedef struct Binding {
        const char *provider;
        const char *user;
        const char *issuer;  /* "" if the file cannot be used */
        const char *subject; /* the same */
        uint64_t since_usec; /* CLOCK_REALTIME */
} Binding;

/* Less than 0 ends the walk, which then returns it. */
typedef int (*BindingSeen)(const Binding *binding, void *userdata);

/* At most @max bindings in the order of provider and user, by bytes; those after the one of
 * @after_provider and @after_user ("" and "": from the first). */
int bindings_list(const Bindings *bindings, const char *after_provider, const char *after_user,
                  size_t max, BindingSeen seen, void *userdata);

/* Takes the binding of @user away, with an empty @provider at every provider; each that is gone is
 * told. -ENOENT: there was none. */
int bindings_clear(const Bindings *bindings, const char *provider, const char *user,
                   BindingSeen cleared, void *userdata);

/* Whether a binding could be stored now. -errno */
int bindings_probe(const Bindings *bindings);
