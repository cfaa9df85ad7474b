/* SPDX-License-Identifier: MIT */
#include "pam/conversation.h"

#include <security/pam_appl.h>

#include "common/macro.h"
#include "pam/result.h"

static const struct pam_conv *get_conversation(pam_handle_t *pamh) {
        const void *item = NULL;
        const struct pam_conv *conversation;

        if (pam_get_item(pamh, PAM_CONV, &item) != PAM_SUCCESS || !item)
                return NULL;
        conversation = item;
        return conversation->conv ? conversation : NULL;
}

int conversation_check(pam_handle_t *pamh) {
        return get_conversation(pamh) ? 0 : FAILURE_NO_CONVERSATION;
}

/* People type passwords at any prompt, so every reply is wiped, the unwanted ones too. */
static struct pam_response *response_free(struct pam_response *response) {
        if (response && response->resp) {
                explicit_bzero(response->resp, strlen(response->resp));
                free(response->resp);
        }
        free(response);
        return NULL;
}
DEFINE_CLEANUP(struct pam_response, response_free);

static int converse(pam_handle_t *pamh, int style, const char *text) {
        _cleanup_(response_freep) struct pam_response *response = NULL;
        const struct pam_conv *conversation = get_conversation(pamh);
        struct pam_message message = {.msg_style = style, .msg = text};
        const struct pam_message *messages = &message;
        int code;

        if (!conversation)
                return FAILURE_NO_CONVERSATION;

        code = conversation->conv(1, &messages, &response, conversation->appdata_ptr);
        if (code == PAM_CONV_AGAIN)
                return FAILURE_CONVERSATION_AGAIN;
        if (code != PAM_SUCCESS)
                return FAILURE_CONVERSATION;
        /* A host that cannot prompt may say so by leaving the reply out. */
        if (style == PAM_PROMPT_ECHO_OFF && !response)
                return FAILURE_CONVERSATION;
        return 0;
}

int conversation_prompt(pam_handle_t *pamh, const char *text) {
        return converse(pamh, PAM_PROMPT_ECHO_OFF, text);
}

int conversation_info(pam_handle_t *pamh, const char *text) {
        return converse(pamh, PAM_TEXT_INFO, text);
}

int conversation_error(pam_handle_t *pamh, const char *text) {
        return converse(pamh, PAM_ERROR_MSG, text);
}
