/* SPDX-License-Identifier: MIT */
#include "daemon/judgement.h"

#include <errno.h>
#include <stdbool.h>

#include "common/macro.h"
#include "common/outcome.h"

/* docs/oidc-keyringd.8 has this table. What is not listed needs an administrator. */
static const struct {
        Outcome outcome;
        Judgement judgement;
        Retry retry;
} judgements[] = {
        {OUTCOME_SUCCESS, JUDGED_RENEWED, RETRY_TRANSIENT},
        {OUTCOME_NO_KEYRING, JUDGED_RENEWED, RETRY_TRANSIENT},
        {OUTCOME_LOGIN_REQUIRED, JUDGED_OVER, RETRY_TRANSIENT},
        {OUTCOME_USER_MISMATCH, JUDGED_OVER, RETRY_TRANSIENT},
        {OUTCOME_PROVIDER_UNREACHABLE, JUDGED_FAILED, RETRY_TRANSIENT},
        {OUTCOME_PROVIDER_UNTRUSTED, JUDGED_FAILED,
         RETRY_TRANSIENT}, /* a captive portal, perhaps */
        {OUTCOME_PROVIDER_BUSY, JUDGED_FAILED, RETRY_TRANSIENT},
        {OUTCOME_PROVIDER_ANSWER, JUDGED_FAILED, RETRY_TRANSIENT},
        {OUTCOME_ANSWER_LOST, JUDGED_FAILED, RETRY_LOST},
};

/* The gateway was asked, and what it has answered or will answer did not get to us: it was ended,
 * it takes long, or we had no memory or descriptor for it. Whoever comes too late for the answer
 * sends a token that was exchanged. */
static bool is_unanswered(int result) {
        return result == -ETIMEDOUT || result == -ENOMEM || result == -EMFILE || result == -ENFILE;
}

Judgement judge_refresh(int result, Retry *ret_retry) {
        *ret_retry = is_unanswered(result) ? RETRY_UNANSWERED
                     : result < 0          ? RETRY_TRANSIENT
                                           : RETRY_CONFIGURATION;
        for (size_t i = 0; i < ELEMENTSOF(judgements); i++)
                if ((int)judgements[i].outcome == result) {
                        *ret_retry = judgements[i].retry;
                        return judgements[i].judgement;
                }
        return JUDGED_FAILED;
}
