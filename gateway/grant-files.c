/* SPDX-License-Identifier: MIT */
#include "gateway/grant-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/linger.h"
#include "common/log.h"
#include "common/names.h"
#include "common/parse.h"
#include "gateway/encryption.h"
#include "gateway/host-key.h"
#include "gateway/state-folder.h"

#define GRANTS_FOLDER "grants"
#define MACHINE_ID_SIZE 32u
#define FILE_SIZE_MAX (GRANT_SIZE_MAX + ENCRYPTION_OVERHEAD)
#define KEY_RETRY_USEC (60 * USEC_PER_SEC)

/* Less than half of what the module waits for an answer that needs no provider. */
#define KEY_PATIENCE_USEC (4 * USEC_PER_SEC)

/* Users' managers look for the folder of their uid (oidc-keyringd.timer), and at nothing else. */
#define GRANTS_MODE 0711

struct GrantFiles {
        char *root;
        Secret *key;
        int key_error;
        int key_question;        /* see host_key_fetch() */
        uint64_t key_asked_usec; /* 0: never */
        int told;                /* the failure that the log has */
};

int grant_files_new(const char *root, GrantFiles **ret) {
        _cleanup_(grant_files_freep) GrantFiles *files = calloc(1, sizeof(*files));

        if (!files)
                return -ENOMEM;
        files->key_question = -1;
        files->root = strdup(root ? root : "");
        if (!files->root)
                return -ENOMEM;
        *ret = TAKE_PTR(files);
        return 0;
}

GrantFiles *grant_files_free(GrantFiles *files) {
        if (!files)
                return NULL;
        secret_free(files->key);
        closep(&files->key_question);
        free(files->root);
        free(files);
        return NULL;
}

/* The key. It is asked for when it is first needed, and only then waited for, since everybody is
 * held up by that. One that cannot be had is asked for again, but not by every refresh; what comes
 * of that, or of the first question later, is there for who needs it next. */
static int files_key(GrantFiles *files) {
        uint64_t now_usec = clock_boottime_usec(), patience_usec = 0;

        if (files->key)
                return 0;
        if (files->key_question < 0) {
                if (files->key_asked_usec == 0)
                        patience_usec = KEY_PATIENCE_USEC;
                else if (now_usec - files->key_asked_usec < KEY_RETRY_USEC)
                        return files->key_error;
                files->key_asked_usec = now_usec;
        }
        files->key_error =
                host_key_fetch(files->root, patience_usec, &files->key_question, &files->key);
        return files->key_error;
}

static void files_forget_question(GrantFiles *files) {
        closep(&files->key_question);
        files->key_question = -1;
        files->key_asked_usec = 0;
}

const char *grant_files_advice(int error) {
        if (error == -EOPNOTSUPP)
                return "the file system of " STATE_FOLDER " does not say when a file was made, so "
                       "that one restored from a backup could not be told";
        if (error == -ENOKEY || error == -ETIMEDOUT)
                return "the key of this host cannot be had: `journalctl -u "
                       "'oidc-keyring-host-key@*'` says why; if it cannot be decrypted any more, "
                       "remove /var/lib/oidc-keyring-host-key, so that a new one is made";
        if (error == -ENOSPC || error == -EDQUOT || error == -EROFS)
                return "there is no room for it, or the disk cannot be written";
        return strerror(-error);
}

static void files_tell(GrantFiles *files, int error) {
        if (error != files->told && error < 0)
                log_warning("Logins are not kept for after a reboot: %s",
                            grant_files_advice(error));
        if (error == 0 && files->told < 0)
                log_info("Logins are kept for after a reboot again");
        files->told = error;
}

/* That of all grants. */
static int files_open_all(const GrantFiles *files, bool make) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int state = -1;

        if (asprintf(&path, "%s" STATE_FOLDER, files->root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (state < 0)
                return -errno;
        return make ? state_folder_make(state, GRANTS_FOLDER, GRANTS_MODE)
                    : state_folder_open(state, GRANTS_FOLDER);
}

static void uid_name(uid_t uid, char name[static 16]) {
        (void)snprintf(name, 16, "%u", (unsigned)uid);
}

static int files_open_uid(const GrantFiles *files, uid_t uid, bool make) {
        _cleanup_close_ int all = files_open_all(files, make);
        char name[16];

        if (all < 0)
                return all;
        uid_name(uid, name);
        return make ? state_folder_make(all, name, 0700) : state_folder_open(all, name);
}

/* What a file is bound to. */

static int machine_id_read(const GrantFiles *files, char id[static MACHINE_ID_SIZE + 1]) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        ssize_t n;

        if (asprintf(&path, "%s/etc/machine-id", files->root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, id, MACHINE_ID_SIZE);
        id[MACHINE_ID_SIZE] = '\0';
        return n == MACHINE_ID_SIZE ? 0 : -EUNATCH;
}

/* One line each; neither a value of the configuration nor a name has a line's end in it. */
static int context_new(const GrantFiles *files, const ProviderConfig *config, uid_t uid, int fd,
                       char **ret) {
        char machine_id[MACHINE_ID_SIZE + 1];
        struct statx stx;
        int r;

        r = machine_id_read(files, machine_id);
        if (r < 0)
                return r;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &stx) < 0)
                return -errno;
        if (!(stx.stx_mask & STATX_BTIME))
                return -EOPNOTSUPP;
        r = asprintf(ret,
                     "oidc-keyring grant file 1\nuid %u\naccount %s\nissuer %s\nclient_id %s\n"
                     "machine %s\ninode %" PRIu64 "\nborn %" PRIi64 ".%09u\n",
                     (unsigned)uid, config->name, config->issuer, config->client_id, machine_id,
                     (uint64_t)stx.stx_ino, (int64_t)stx.stx_btime.tv_sec, stx.stx_btime.tv_nsec);
        return r < 0 ? -ENOMEM : 0;
}

/* Writing. */

static int write_all(int fd, const Secret *bytes) {
        size_t size = secret_size(bytes), written = 0;

        while (written < size) {
                ssize_t n = write(fd, secret_bytes(bytes) + written, size - written);

                if (n == 0)
                        return -ENOSPC;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        written += (size_t)n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int grant_encrypt(GrantFiles *files, const ProviderConfig *config, uid_t uid, int fd,
                         const Grant *grant, Secret **ret) {
        _cleanup_(secret_freep) Secret *plain = NULL;
        _cleanup_free_ char *context = NULL;
        Grant bare = *grant;
        int r;

        bare.access_token = NULL;
        bare.expires_usec = 0;
        r = grant_format(&bare, &plain);
        if (r < 0)
                return r;
        r = context_new(files, config, uid, fd, &context);
        if (r < 0)
                return r;
        return encryption_seal(files->key, context, plain, ret);
}

/* Under a name that is no account's: an account begins with a letter. */
#define DRAFT_NAME ".new"

static int draft_write(GrantFiles *files, int folder, const ProviderConfig *config, uid_t uid,
                       const Grant *grant) {
        _cleanup_(secret_freep) Secret *sealed = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        (void)unlinkat(folder, DRAFT_NAME, 0); /* left behind by a crash */
        fd = openat(folder, DRAFT_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = grant_encrypt(files, config, uid, fd, grant, &sealed);
        return r < 0 ? r : write_all(fd, sealed);
}

/* The former file is emptied, too: another link to it would be the same file. */
static int draft_install(int folder, const char *account) {
        _cleanup_close_ int former =
                openat(folder, account, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (renameat(folder, DRAFT_NAME, folder, account) < 0 || fsync(folder) < 0)
                return -errno;
        if (former >= 0 && ftruncate(former, 0) < 0)
                return -errno;
        return 0;
}

static int files_write(GrantFiles *files, const ProviderConfig *config, uid_t uid,
                       const Grant *grant) {
        _cleanup_close_ int folder = -1;
        int r;

        r = files_key(files);
        if (r < 0)
                return r;
        folder = files_open_uid(files, uid, true);
        if (folder < 0)
                return folder;
        r = draft_write(files, folder, config, uid, grant);
        if (r == 0)
                r = draft_install(folder, config->name);
        if (r < 0)
                (void)unlinkat(folder, DRAFT_NAME, 0);
        return r;
}

/* Taking away. */

/* Emptied first: neither another link nor what is left on the disk is to be of use. */
static int file_remove(int folder, const char *account) {
        _cleanup_close_ int fd =
                openat(folder, account, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

        if (fd >= 0 && ftruncate(fd, 0) < 0)
                log_debug_errno(errno, "A grant's file cannot be emptied");
        if (unlinkat(folder, account, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        return fsync(folder) < 0 ? -errno : 0;
}

void grant_files_remove(GrantFiles *files, uid_t uid, const char *account) {
        _cleanup_close_ int all = -1, folder = -1;
        char name[16];
        int r;

        all = files_open_all(files, false);
        if (all < 0)
                return;
        uid_name(uid, name);
        folder = state_folder_open(all, name);
        if (folder < 0)
                return;
        r = file_remove(folder, account);
        if (r < 0)
                log_warning_errno(r,
                                  "The grant of uid %s through %s that was kept for after a "
                                  "reboot cannot be removed",
                                  name, account);
        (void)unlinkat(folder, DRAFT_NAME, 0);   /* left behind by a crash */
        (void)unlinkat(all, name, AT_REMOVEDIR); /* unless there is another */
}

static int is_visible(const struct dirent *entry) {
        return *entry->d_name != '.';
}

/* The names in a folder; none where it cannot be read. */
static int names_read(int folder, struct dirent ***ret) {
        int n = scandirat(folder, ".", ret, is_visible, NULL);

        return n < 0 ? 0 : n;
}

static void sweep_uid(GrantFiles *files, int all, const char *name, GrantFilesWanted wanted,
                      void *userdata) {
        _cleanup_close_ int folder = state_folder_open(all, name);
        struct dirent **accounts = NULL;
        uint64_t uid = 0;
        int n;

        if (folder < 0 || parse_u64(name, 0, UINT32_MAX, &uid) < 0)
                return;
        n = names_read(folder, &accounts);
        for (int i = 0; i < n; i++) {
                if (wanted((uid_t)uid, accounts[i]->d_name, userdata) == 0)
                        grant_files_remove(files, (uid_t)uid, accounts[i]->d_name);
                free(accounts[i]);
        }
        free(accounts);
}

void grant_files_sweep(GrantFiles *files, GrantFilesWanted wanted, void *userdata) {
        _cleanup_close_ int all = files_open_all(files, false);
        struct dirent **uids = NULL;
        int n;

        if (all < 0)
                return;
        n = names_read(all, &uids);
        for (int i = 0; i < n; i++) {
                sweep_uid(files, all, uids[i]->d_name, wanted, userdata);
                free(uids[i]);
        }
        free(uids);
}

bool grant_files_user_lingers(const GrantFiles *files, const char *user) {
        return user_lingers(files->root, user);
}

void grant_files_keep(GrantFiles *files, const ProviderConfig *config, uid_t uid, Grant *grant) {
        int r = -ENOENT;

        grant->kept_on_disk = 0;
        if (config->persist && grant->refresh_token &&
            grant_files_user_lingers(files, grant->user)) {
                r = files_write(files, config, uid, grant);
                files_tell(files, r);
                grant->kept_on_disk = r == 0;
        }
        if (r < 0) /* what is there has a token that is exchanged */
                grant_files_remove(files, uid, config->name);
}

/* Reading. */

static int file_read(int folder, const char *account, int *ret_fd, Secret **ret) {
        _cleanup_(secret_freep) Secret *bytes = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        fd = openat(folder, account, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -ESTALE : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid() ||
            st.st_size > (off_t)FILE_SIZE_MAX)
                return -ESTALE;
        r = secret_new((size_t)st.st_size, &bytes);
        if (r < 0)
                return r;
        if (read(fd, secret_buffer(bytes), secret_size(bytes)) != (ssize_t)secret_size(bytes))
                return -EIO;
        *ret_fd = TAKE_FD(fd);
        *ret = TAKE_PTR(bytes);
        return 0;
}

/* What a grant says of itself has to be what its file is bound to. */
static int grant_decrypt(GrantFiles *files, const ProviderConfig *config, uid_t uid, int fd,
                         const Secret *sealed, Grant **ret) {
        _cleanup_(secret_freep) Secret *plain = NULL;
        _cleanup_(grant_freep) Grant *grant = NULL;
        _cleanup_free_ char *context = NULL;
        int r;

        r = context_new(files, config, uid, fd, &context);
        if (r < 0)
                return r;
        r = encryption_open(files->key, context, sealed, &plain);
        if (r == 0)
                r = grant_parse(secret_bytes(plain), secret_size(plain), &grant);
        if (r == -EBADMSG)
                return -ESTALE;
        if (r < 0)
                return r;
        if (!streq(grant->account, config->name) || !streq(grant->issuer, config->issuer) ||
            !grant->refresh_token)
                return -ESTALE;
        grant->kept_on_disk = 1;
        *ret = TAKE_PTR(grant);
        return 0;
}

static int files_read(GrantFiles *files, const ProviderConfig *config, uid_t uid, Grant **ret) {
        _cleanup_(secret_freep) Secret *sealed = NULL;
        _cleanup_close_ int folder = -1, fd = -1;
        int r;

        folder = files_open_uid(files, uid, false);
        if (folder < 0)
                return folder;
        r = file_read(folder, config->name, &fd, &sealed);
        if (r < 0)
                return r;
        r = files_key(files);
        if (r < 0)
                return r;
        return grant_decrypt(files, config, uid, fd, sealed, ret);
}

int grant_files_read(GrantFiles *files, const ProviderConfig *config, uid_t uid, Grant **ret) {
        int r = files_read(files, config, uid, ret);

        if (r == -ENOENT)
                return r;
        if (r != -ESTALE) {
                files_tell(files, r);
                return r;
        }
        log_notice("The grant of uid %u through %s that was kept for after a reboot is not as this "
                   "host wrote it: it was changed, copied, restored from a backup or taken from "
                   "another host, or provider or key are not those of then. It is removed, for its "
                   "token may be used up; the user has to log in again.",
                   (unsigned)uid, config->name);
        grant_files_remove(files, uid, config->name);
        return r;
}

/* Whether the file is of the login of @grant: has its token, or is of a refresh after it. Another
 * login begins with generation 0 again. */
static bool is_of_login(const Grant *kept, const Grant *grant) {
        return kept->generation > grant->generation ||
               (grant->refresh_token && secret_equal(kept->refresh_token, grant->refresh_token));
}

void grant_files_forget(GrantFiles *files, const ProviderConfig *config, uid_t uid,
                        const Grant *grant) {
        _cleanup_(grant_freep) Grant *kept = NULL;
        int r;

        r = config ? files_read(files, config, uid, &kept) : -ESTALE;
        if (r == -ENOENT || (r == 0 && !is_of_login(kept, grant)))
                return;
        grant_files_remove(files, uid, grant->account);
}

int grant_files_probe(GrantFiles *files) {
        _cleanup_close_ int folder = -1, fd = -1;
        _cleanup_free_ char *context = NULL;
        _cleanup_(secret_freep) Secret *zeros = NULL;
        ProviderConfig config = {.name = (char *)"", .issuer = (char *)"", .client_id = (char *)""};
        int r;

        files_forget_question(files);
        r = files_key(files);
        if (r < 0)
                return r;
        r = secret_new(ENCRYPTION_OVERHEAD, &zeros);
        if (r < 0)
                return r;
        folder = files_open_all(files, true);
        if (folder < 0)
                return folder;
        (void)unlinkat(folder, DRAFT_NAME, 0);
        fd = openat(folder, DRAFT_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = context_new(files, &config, 0, fd, &context);
        if (r == 0)
                r = write_all(fd, zeros);
        (void)unlinkat(folder, DRAFT_NAME, 0);
        return r;
}
