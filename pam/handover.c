/* SPDX-License-Identifier: MIT */
#include "pam/handover.h"

#include <errno.h>
#include <stdio.h>

#include "common/macro.h"
#include "common/names.h"

/* Data and variable hold the same text: the login id, a colon, the user's name. */
#define DATA_NAME "pam_oidc_keyring:login"

#define HEX "0123456789abcdefABCDEF"

static char *text_free(char *text) {
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
        return NULL;
}
DEFINE_CLEANUP(char, text_free);

/* May run in any process that inherited the handle, so it frees memory and does nothing else. */
static void on_data_gone(pam_handle_t *pamh, void *data, int status) {
        (void)pamh;
        (void)status;
        text_free(data);
}

bool handover_login_id_is_valid(const char *login_id) {
        return strlen(login_id) == LOGIN_ID_LENGTH && strspn(login_id, HEX) == LOGIN_ID_LENGTH;
}

static bool text_is_valid(const char *text) {
        return strspn(text, HEX) == LOGIN_ID_LENGTH && text[LOGIN_ID_LENGTH] == ':' &&
               text[LOGIN_ID_LENGTH + 1];
}

static bool text_is_of(const char *text, const char *user) {
        return text_is_valid(text) && streq(text + LOGIN_ID_LENGTH + 1, user);
}

static const char *get_data(pam_handle_t *pamh) {
        const void *data = NULL;

        return pam_get_data(pamh, DATA_NAME, &data) == PAM_SUCCESS ? data : NULL;
}

/* The data becomes @text; @text is consumed in every case. */
static int set_data(pam_handle_t *pamh, char *text) {
        if (pam_set_data(pamh, DATA_NAME, text, on_data_gone) == PAM_SUCCESS)
                return 0;
        text_free(text);
        return -ENOMEM;
}

static void drop_variable(pam_handle_t *pamh) {
        if (pam_getenv(pamh, LOGIN_ID_VARIABLE)) /* libpam complains about deleting what is not */
                (void)pam_putenv(pamh, LOGIN_ID_VARIABLE);
}

int handover_put(pam_handle_t *pamh, const char *login_id, const char *user) {
        _cleanup_(text_freep) char *assignment = NULL;
        char *text;

        if (asprintf(&assignment, "%s=%s:%s", LOGIN_ID_VARIABLE, login_id, user) < 0) {
                assignment = NULL;
                return -ENOMEM;
        }
        text = strdup(assignment + strlen(LOGIN_ID_VARIABLE) + 1);
        if (!text)
                return -ENOMEM;

        if (pam_putenv(pamh, assignment) != PAM_SUCCESS) {
                text_free(text);
                return -ENOMEM;
        }
        if (set_data(pamh, text) < 0) {
                drop_variable(pamh);
                return -ENOMEM;
        }
        return 0;
}

void handover_adopt(pam_handle_t *pamh) {
        const char *variable = pam_getenv(pamh, LOGIN_ID_VARIABLE);
        char *text;

        if (!variable)
                return;
        if (!get_data(pamh) && text_is_valid(variable)) {
                text = strdup(variable);
                if (!text || set_data(pamh, text) < 0)
                        return; /* open_session will try again, and deletes it in any case */
        }
        drop_variable(pamh);
}

bool handover_present(pam_handle_t *pamh, const char *user) {
        const char *text = get_data(pamh);

        return text && text_is_of(text, user);
}

int handover_take(pam_handle_t *pamh, const char *user, char ret_login_id[LOGIN_ID_LENGTH + 1]) {
        const char *text = get_data(pamh);
        int found = 0;

        if (!text)
                text = pam_getenv(pamh, LOGIN_ID_VARIABLE);
        if (text && text_is_of(text, user)) {
                memcpy(ret_login_id, text, LOGIN_ID_LENGTH);
                ret_login_id[LOGIN_ID_LENGTH] = '\0';
                found = 1;
        }

        drop_variable(pamh);
        if (get_data(pamh))
                (void)pam_set_data(pamh, DATA_NAME, NULL, NULL);
        return found;
}
