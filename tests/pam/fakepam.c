/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>

#include "tests/pam/fakepam.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <security/pam_modutil.h>

#include "common/macro.h"
#include "tests/pam/transcript.h"

#define N_ITEMS (PAM_XAUTHDATA + 1)
#define N_ENVIRONMENT 8
#define N_DATA 8
#define N_SECRETS 4

typedef struct Data {
        char *name;
        void *value;
        void (*cleanup)(pam_handle_t *pamh, void *data, int status);
        bool forgotten;
} Data;

struct pam_handle {
        char *items[N_ITEMS];
        struct pam_conv conv;
        bool has_conv;
        char *environment[N_ENVIRONMENT + 1];
        Data data[N_DATA];
        char *secrets[N_SECRETS];
        struct passwd passwd;
        bool has_passwd;
};

static uid_t real_uid;

/* In place of libc's. */
uid_t getuid(void) {
        return real_uid;
}

void fakepam_set_real_uid(uid_t uid) {
        real_uid = uid;
}

pam_handle_t *fakepam_new(void) {
        pam_handle_t *pamh = calloc(1, sizeof(*pamh));

        assert(pamh);
        real_uid = 0;
        return pamh;
}

static void drop_data(pam_handle_t *pamh, Data *data, int status) {
        if (data->cleanup)
                data->cleanup(pamh, data->value, status);
        free(data->name);
        *data = (Data){0};
}

pam_handle_t *fakepam_free(pam_handle_t *pamh) {
        for (size_t i = 0; i < N_DATA; i++)
                drop_data(pamh, &pamh->data[i], 0);
        for (size_t i = 0; i < N_ITEMS; i++)
                free(pamh->items[i]);
        for (size_t i = 0; i < N_ENVIRONMENT; i++)
                free(pamh->environment[i]);
        for (size_t i = 0; i < N_SECRETS; i++)
                free(pamh->secrets[i]);
        free(pamh);
        return NULL;
}

void fakepam_set_item(pam_handle_t *pamh, int item_type, const char *value) {
        free(pamh->items[item_type]);
        pamh->items[item_type] = value ? strdup(value) : NULL;
}

void fakepam_set_conv(pam_handle_t *pamh, const struct pam_conv *conv) {
        pamh->has_conv = conv;
        if (conv)
                pamh->conv = *conv;
}

void fakepam_set_passwd(pam_handle_t *pamh, uid_t uid, gid_t gid) {
        pamh->has_passwd = true;
        pamh->passwd.pw_uid = uid;
        pamh->passwd.pw_gid = gid;
}

void fakepam_forget_data(pam_handle_t *pamh) {
        for (size_t i = 0; i < N_DATA; i++)
                pamh->data[i].forgotten = true;
}

void fakepam_add_secret(pam_handle_t *pamh, const char *secret) {
        for (size_t i = 0; i < N_SECRETS; i++)
                if (!pamh->secrets[i]) {
                        pamh->secrets[i] = strdup(secret);
                        return;
                }
        assert(!"more secrets than expected");
}

char **fakepam_environment(pam_handle_t *pamh) {
        return pamh->environment;
}

const char *fakepam_code_name(int code) {
        static const char *const names[] = {
                [PAM_SUCCESS] = "PAM_SUCCESS",
                [PAM_SERVICE_ERR] = "PAM_SERVICE_ERR",
                [PAM_SYSTEM_ERR] = "PAM_SYSTEM_ERR",
                [PAM_BUF_ERR] = "PAM_BUF_ERR",
                [PAM_PERM_DENIED] = "PAM_PERM_DENIED",
                [PAM_AUTH_ERR] = "PAM_AUTH_ERR",
                [PAM_CRED_INSUFFICIENT] = "PAM_CRED_INSUFFICIENT",
                [PAM_AUTHINFO_UNAVAIL] = "PAM_AUTHINFO_UNAVAIL",
                [PAM_USER_UNKNOWN] = "PAM_USER_UNKNOWN",
                [PAM_SESSION_ERR] = "PAM_SESSION_ERR",
                [PAM_CONV_ERR] = "PAM_CONV_ERR",
                [PAM_IGNORE] = "PAM_IGNORE",
                [PAM_INCOMPLETE] = "PAM_INCOMPLETE",
        };

        return code >= 0 && (size_t)code < ELEMENTSOF(names) && names[code] ? names[code] : "?";
}

/* What the module calls. */

int pam_get_item(const pam_handle_t *pamh, int item_type, const void **item) {
        if (item_type == PAM_CONV)
                *item = pamh->has_conv ? &pamh->conv : NULL;
        else
                *item = pamh->items[item_type];
        return PAM_SUCCESS;
}

int pam_get_user(pam_handle_t *pamh, const char **user, const char *prompt) {
        assert(!prompt);
        *user = pamh->items[PAM_USER];
        return *user ? PAM_SUCCESS : PAM_CONV_ERR;
}

static Data *find_data(const pam_handle_t *pamh, const char *name) {
        for (size_t i = 0; i < N_DATA; i++)
                if (pamh->data[i].name && !pamh->data[i].forgotten &&
                    streq(pamh->data[i].name, name))
                        return (Data *)&pamh->data[i];
        return NULL;
}

int pam_get_data(const pam_handle_t *pamh, const char *module_data_name, const void **data) {
        const Data *found = find_data(pamh, module_data_name);

        if (!found)
                return PAM_NO_MODULE_DATA;
        *data = found->value;
        return PAM_SUCCESS;
}

int pam_set_data(pam_handle_t *pamh, const char *module_data_name, void *data,
                 void (*cleanup)(pam_handle_t *pamh, void *data, int error_status)) {
        Data *place = find_data(pamh, module_data_name);

        if (place)
                drop_data(pamh, place, PAM_DATA_REPLACE);
        for (size_t i = 0; !place && i < N_DATA; i++)
                if (!pamh->data[i].name)
                        place = &pamh->data[i];
        assert(place);
        *place = (Data){.name = strdup(module_data_name), .value = data, .cleanup = cleanup};
        return PAM_SUCCESS;
}

static char **find_variable(pam_handle_t *pamh, const char *name, size_t n_name) {
        for (size_t i = 0; i < N_ENVIRONMENT; i++) {
                const char *variable = pamh->environment[i];

                if (variable && strncmp(variable, name, n_name) == 0 && variable[n_name] == '=')
                        return &pamh->environment[i];
        }
        return NULL;
}

const char *pam_getenv(pam_handle_t *pamh, const char *name) {
        char **variable = find_variable(pamh, name, strlen(name));

        return variable ? *variable + strlen(name) + 1 : NULL;
}

int pam_putenv(pam_handle_t *pamh, const char *name_value) {
        size_t n_name = strcspn(name_value, "=");
        char **place = find_variable(pamh, name_value, n_name);

        if (!name_value[n_name]) {
                assert(place); /* libpam would log an error */
                free(*place);
                *place = NULL;
                return PAM_SUCCESS;
        }
        for (size_t i = 0; !place && i < N_ENVIRONMENT; i++)
                if (!pamh->environment[i])
                        place = &pamh->environment[i];
        assert(place);
        free(*place);
        *place = strdup(name_value);
        return PAM_SUCCESS;
}

struct passwd *pam_modutil_getpwnam(pam_handle_t *pamh, const char *user) {
        pamh->passwd.pw_name = (char *)user;
        return pamh->has_passwd ? &pamh->passwd : NULL;
}

void pam_vsyslog(const pam_handle_t *pamh, int priority, const char *fmt, va_list args) {
        static const char *const names[] = {"EMERG",   "ALERT",  "CRIT", "ERR",
                                            "WARNING", "NOTICE", "INFO", "DEBUG"};
        char *line = NULL;

        assert(priority >= 0 && (size_t)priority < ELEMENTSOF(names));
        assert(vasprintf(&line, fmt, args) >= 0);
        for (size_t i = 0; i < N_SECRETS; i++)
                assert(!pamh->secrets[i] || !strstr(line, pamh->secrets[i]));
        transcript_line("log %s %s", names[priority], line);
        free(line);
}
