/* SPDX-License-Identifier: MIT */
#include "gateway/bindings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"
#include "common/outcome.h"
#include "common/parse.h"
#include "gateway/display-text.h"
#include "gateway/state-folder.h"
#include "gateway/utf8.h"

#define BINDINGS_FOLDER "bindings"
#define VALUE_MAX CONFIG_VALUE_MAX
#define FILE_SIZE_MAX (2u * VALUE_MAX + 64u)
#define FORMAT_VERSION "1"

struct Bindings {
        char *folder;
};

int bindings_new(const char *root, Bindings **ret) {
        _cleanup_(bindings_freep) Bindings *bindings = calloc(1, sizeof(*bindings));

        if (!bindings)
                return -ENOMEM;
        if (asprintf(&bindings->folder, "%s%s", root ? root : "", STATE_FOLDER) < 0) {
                bindings->folder = NULL;
                return -ENOMEM;
        }
        *ret = TAKE_PTR(bindings);
        return 0;
}

Bindings *bindings_free(Bindings *bindings) {
        if (!bindings)
                return NULL;
        free(bindings->folder);
        free(bindings);
        return NULL;
}

/* Folders. A name that begins with a dot is never a user's: it is of a file that is being written.
 */

static bool user_is_file_name(const char *user) {
        size_t size = strlen(user);

        return size > 0 && size <= NAME_MAX && *user != '.' && !strchr(user, '/') &&
               utf8_is_valid(user, size);
}

static int make_folder(int parent, const char *name) {
        return state_folder_make(parent, name, 0700);
}

typedef int (*Step)(int parent, const char *name);

/* The folder of all bindings, or of those at @provider. */
static int bindings_open(const Bindings *bindings, const char *provider, Step step) {
        _cleanup_close_ int state = -1;
        int all, fd;

        state = open(bindings->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (state < 0)
                return -errno;
        all = step(state, BINDINGS_FOLDER);
        if (all < 0 || !provider)
                return all;
        fd = step(all, provider);
        (void)close(all);
        return fd;
}

/* One file. */

typedef struct Stored {
        char *text;
        const char *issuer, *subject; /* of text */
        uint64_t since_usec;
} Stored;

static void stored_done(Stored *stored) {
        free(stored->text);
}

/* The value of the line that begins with @key, which is next. */
static const char *next_value(char **text, const char *key) {
        size_t size = strlen(key);
        char *value = *text + size, *end;

        if (strncmp(*text, key, size) != 0)
                return NULL;
        end = strchr(value, '\n');
        if (!end)
                return NULL;
        *end = '\0';
        *text = end + 1;
        return display_text_is_plain(value, VALUE_MAX) ? value : NULL;
}

static int stored_parse(Stored *stored, size_t size) {
        const char *version;
        char *next = stored->text;

        version = next_value(&next, "version ");
        if (!version || !streq(version, FORMAT_VERSION))
                return -EBADMSG;
        stored->issuer = next_value(&next, "issuer ");
        if (!stored->issuer)
                return -EBADMSG;
        stored->subject = next_value(&next, "subject ");
        return stored->subject && next == stored->text + size ? 0 : -EBADMSG;
}

/* One byte more than a good file can have, if there are so many. */
static int read_text(int fd, char *text, size_t *ret_size) {
        size_t size = 0;
        ssize_t n;

        do {
                n = read(fd, text + size, FILE_SIZE_MAX + 1 - size);
                if (n < 0)
                        return -errno;
                size += (size_t)n;
        } while (n > 0 && size <= FILE_SIZE_MAX);
        text[size] = '\0';
        *ret_size = size;
        return 0;
}

/* -ENOENT: @user is not bound. Whatever else goes wrong, it may be. */
static int stored_read(int folder, const char *user, Stored *stored) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        size_t size;
        int r;

        fd = openat(folder, user, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADMSG;
        stored->since_usec =
                (uint64_t)st.st_mtim.tv_sec * USEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec / 1000;
        stored->text = malloc(FILE_SIZE_MAX + 2);
        if (!stored->text)
                return -ENOMEM;
        r = read_text(fd, stored->text, &size);
        return r < 0 ? r : stored_parse(stored, size);
}

static int bindings_read(const Bindings *bindings, const char *provider, const char *user,
                         Stored *stored) {
        _cleanup_close_ int folder = bindings_open(bindings, provider, state_folder_open);

        return folder < 0 ? folder : stored_read(folder, user, stored);
}

/* Writing: a whole file appears under its name or none does, and none is ever replaced. */

typedef struct Draft {
        int folder;
        char name[sizeof(".new.") + 3 * sizeof(pid_t)];
} Draft;

static void draft_done(Draft *draft) {
        (void)unlinkat(draft->folder, draft->name, 0);
}

static int draft_write(Draft *draft, const char *text) {
        _cleanup_close_ int fd = -1;
        size_t size = strlen(text);
        ssize_t n;

        /* One that a crash left behind is of a process that is gone. */
        (void)unlinkat(draft->folder, draft->name, 0);
        fd = openat(draft->folder, draft->name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, text, size);
        if (n < 0)
                return -errno;
        if ((size_t)n != size)
                return -ENOSPC;
        return fsync(fd) < 0 ? -errno : 0;
}

/* -EEXIST: somebody else was first. */
static int write_new(int folder, const char *user, const char *text) {
        _cleanup_(draft_done) Draft draft = {.folder = folder};
        int r;

        (void)snprintf(draft.name, sizeof(draft.name), ".new.%d", (int)getpid());
        r = draft_write(&draft, text);
        if (r < 0 || !user)
                return r;
        if (linkat(folder, draft.name, folder, user, 0) < 0)
                return -errno;
        return fsync(folder) < 0 ? -errno : 0;
}

static int bindings_store(const Bindings *bindings, const ProviderConfig *config, const char *user,
                          const char *subject) {
        _cleanup_close_ int folder = bindings_open(bindings, config->name, make_folder);
        _cleanup_free_ char *text = NULL;
        int r;

        if (folder < 0)
                return folder;
        /* Nothing is written that could not be read again. */
        if (!display_text_is_plain(config->issuer, VALUE_MAX) ||
            !display_text_is_plain(subject, VALUE_MAX))
                return -EINVAL;
        if (asprintf(&text, "version " FORMAT_VERSION "\nissuer %s\nsubject %s\n", config->issuer,
                     subject) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        r = write_new(folder, user, text);
        if (r == 0)
                log_info("User %s at provider %s is bound to subject %s of %s from now on", user,
                         config->name, subject, config->issuer);
        return r;
}

int bindings_probe(const Bindings *bindings) {
        _cleanup_close_ int folder = bindings_open(bindings, NULL, make_folder);

        return folder < 0 ? folder : write_new(folder, NULL, "version " FORMAT_VERSION "\n");
}

/* The decision. */

static int refuse_other(const ProviderConfig *config, const char *user, const char *subject,
                        const Stored *stored) {
        bool same_issuer = streq(stored->issuer, config->issuer);

        log_warning("User %s at provider %s is bound to subject %s, and subject %s approved: "
                    "refused. If the name has gone to somebody else%s, clear the binding: "
                    "oidc-keyring unbind --provider=%s %s%s%s",
                    user, config->name, stored->subject, subject,
                    same_issuer ? "" : " or the issuer was changed, which it was", config->name,
                    user, same_issuer ? "" : "; it was bound at issuer ",
                    same_issuer ? "" : stored->issuer);
        return OUTCOME_IDENTITY_CHANGED;
}

/* A login fails closed: whoever may be bound to somebody else is not let in. */
static int refuse_unknown(const Bindings *bindings, const ProviderConfig *config, const char *user,
                          bool reading, int error) {
        if (reading)
                log_error_errno(error,
                                "The binding of user %s at provider %s below %s cannot be read: "
                                "refused. Mend it, or clear it: oidc-keyring unbind --provider=%s "
                                "%s",
                                user, config->name, bindings->folder, config->name, user);
        else
                log_error_errno(error,
                                "User %s, who is not bound yet at provider %s, cannot be bound "
                                "below %s: refused",
                                user, config->name, bindings->folder);
        return OUTCOME_STATE_UNUSABLE;
}

int bindings_admit(const Bindings *bindings, const ProviderConfig *config, const char *user,
                   const char *subject) {
        _cleanup_(stored_done) Stored stored = {0};
        bool reading;
        int r;

        if (!config->bind_subject || config->user_map)
                return 0;
        if (!user_is_file_name(user))
                return refuse_unknown(bindings, config, user, false, -EINVAL);

        r = bindings_read(bindings, config->name, user, &stored);
        reading = r != -ENOENT;
        if (!reading) {
                r = bindings_store(bindings, config, user, subject);
                if (r == 0)
                        return 0;
                reading = r == -EEXIST;
                if (reading)
                        r = bindings_read(bindings, config->name, user, &stored);
        }
        if (r < 0)
                return refuse_unknown(bindings, config, user, reading, r);
        if (streq(stored.issuer, config->issuer) && streq(stored.subject, subject))
                return 0;
        return refuse_other(config, user, subject, &stored);
}

int bindings_confirm(const Bindings *bindings, const ProviderConfig *config, const char *user,
                     const char *subject) {
        _cleanup_(stored_done) Stored stored = {0};
        int r;

        if (!config->bind_subject || config->user_map)
                return 0;
        r = user_is_file_name(user) ? bindings_read(bindings, config->name, user, &stored)
                                    : -ENOENT;
        if (r == -ENOENT)
                return OUTCOME_IDENTITY_CHANGED;
        if (r < 0)
                return refuse_unknown(bindings, config, user, true, r);
        return streq(stored.issuer, config->issuer) && streq(stored.subject, subject)
                       ? 0
                       : OUTCOME_IDENTITY_CHANGED;
}

/* For root. */

typedef struct Names {
        struct dirent **entries;
        int n;
} Names;

static void names_done(Names *names) {
        for (int i = 0; i < names->n; i++)
                free(names->entries[i]);
        free(names->entries);
}

static int is_binding(const struct dirent *entry) {
        return user_is_file_name(entry->d_name);
}

static int is_provider(const struct dirent *entry) {
        return account_name_is_valid(entry->d_name);
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int names_read(Names *names, int folder, int (*filter)(const struct dirent *)) {
        names->n = scandirat(folder, ".", &names->entries, filter, by_bytes);
        if (names->n >= 0)
                return 0;
        names->n = 0;
        return -errno;
}

/* The folders of all providers that have had bindings, also of those that were taken out of the
 * configuration. None is no error. */
static int providers_read(const Bindings *bindings, int *ret_folder, Names *names) {
        int r;

        r = bindings_open(bindings, NULL, state_folder_open);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        *ret_folder = r;
        return names_read(names, *ret_folder, is_provider);
}

static int binding_tell(int folder, const char *provider, const char *user, BindingSeen seen,
                        void *userdata) {
        _cleanup_(stored_done) Stored stored = {0};
        Binding binding = {.provider = provider, .user = user, .issuer = "", .subject = ""};
        int r;

        r = stored_read(folder, user, &stored);
        if (r == -ENOENT) /* cleared by somebody else */
                return 0;
        binding.since_usec = stored.since_usec;
        if (r == 0) {
                binding.issuer = stored.issuer;
                binding.subject = stored.subject;
        }
        return seen(&binding, userdata);
}

static int list_provider(int all, const char *provider, const char *after, size_t *left,
                         BindingSeen seen, void *userdata) {
        _cleanup_close_ int folder = state_folder_open(all, provider);
        _cleanup_(names_done) Names names = {0};
        int r;

        if (folder < 0)
                return folder;
        r = names_read(&names, folder, is_binding);
        for (int i = 0; r >= 0 && *left > 0 && i < names.n; i++) {
                if (strcmp(names.entries[i]->d_name, after) <= 0)
                        continue;
                r = binding_tell(folder, provider, names.entries[i]->d_name, seen, userdata);
                (*left)--;
        }
        return r;
}

int bindings_list(const Bindings *bindings, const char *after_provider, const char *after_user,
                  size_t max, BindingSeen seen, void *userdata) {
        _cleanup_(names_done) Names providers = {0};
        _cleanup_close_ int all = -1;
        int r;

        r = providers_read(bindings, &all, &providers);
        for (int i = 0; r >= 0 && i < providers.n && max > 0; i++) {
                const char *provider = providers.entries[i]->d_name;
                int order = strcmp(provider, after_provider);

                if (order >= 0)
                        r = list_provider(all, provider, order == 0 ? after_user : "", &max, seen,
                                          userdata);
        }
        return r < 0 ? r : 0;
}

static int clear_at(int all, const char *provider, const char *user, BindingSeen cleared,
                    void *userdata) {
        _cleanup_close_ int folder = state_folder_open(all, provider);
        Binding binding = {.provider = provider, .user = user, .issuer = "", .subject = ""};
        _cleanup_(stored_done) Stored stored = {0};

        if (folder < 0)
                return folder;
        if (stored_read(folder, user, &stored) == 0) {
                binding.issuer = stored.issuer;
                binding.subject = stored.subject;
        }
        if (unlinkat(folder, user, 0) < 0)
                return -errno;
        if (fsync(folder) < 0)
                return -errno;
        return cleared(&binding, userdata);
}

int bindings_clear(const Bindings *bindings, const char *provider, const char *user,
                   BindingSeen cleared, void *userdata) {
        _cleanup_(names_done) Names providers = {0};
        _cleanup_close_ int all = -1;
        bool any = false;
        int r;

        if (!user_is_file_name(user))
                return -ENOENT;
        r = providers_read(bindings, &all, &providers);
        if (r < 0)
                return r;
        for (int i = 0; i < providers.n; i++) {
                const char *name = providers.entries[i]->d_name;

                if (*provider && !streq(provider, name))
                        continue;
                r = clear_at(all, name, user, cleared, userdata);
                if (r < 0 && r != -ENOENT)
                        return r;
                any = any || r >= 0;
        }
        return any ? 0 : -ENOENT;
}
