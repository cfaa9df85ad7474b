/* SPDX-License-Identifier: MIT */
#include "gateway/login.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/device-request.h"
#include "gateway/display-text.h"
#include "gateway/identity-request.h"
#include "gateway/policy.h"
#include "gateway/poll-schedule.h"
#include "gateway/provider-request.h"
#include "gateway/result-text.h"
#include "gateway/token-grant.h"
#include "gateway/token-response.h"

#define DEVICE_CODE_GRANT "urn:ietf:params:oauth:grant-type:device_code"
#define TIMER_ACCURACY_USEC UINT64_C(1000)
/* An answer that is on its way when the code expires is still waited for, because it may bring
 * tokens that somebody has to revoke. */
#define LAST_ANSWER_USEC (5 * USEC_PER_SEC)
#define REQUEST_TIMEOUT_USEC (30 * USEC_PER_SEC)

typedef enum LoginState {
        LOGIN_NEW,
        LOGIN_AUTHORIZATION, /* a code is asked for */
        LOGIN_WAITING,       /* until the next poll is permitted */
        LOGIN_POLLING,
        LOGIN_IDENTIFICATION, /* the tokens are here, what they say is not verified yet */
        LOGIN_ENDED,
} LoginState;

struct Login {
        char id[LOGIN_ID_SIZE + 1];
        char nonce[LOGIN_ID_SIZE + 1];
        char *user;
        char *service;
        char *rhost;
        uid_t user_uid;
        uid_t caller_uid;

        sd_event *event;
        Provider *provider;
        Revocations *revocations;
        const Bindings *bindings;
        LoginOver over;
        void *over_userdata;
        LoginTold begun; /* NULL once it was told */
        void *begun_userdata;
        LoginTold awaited;
        void *awaited_userdata;

        LoginState state;
        int result; /* of LOGIN_ENDED */
        bool delivered;
        bool lost;      /* an answer to a poll, and none since says that the code is still good */
        bool abandoned; /* nobody will ask for the result */
        char detail[LOGIN_TEXT_MAX];

        sd_event_source *timer;
        DeviceRequest *device_request;
        ProviderRequest *poll;
        IdentityRequest *identity_request;
        uint64_t sent_usec; /* the last poll */
        DeviceAuthorization *authorization;
        PollSchedule schedule;
        TokenResponse *tokens; /* not verified yet, or refused */
        Grant *grant;
        char *subject;
};

static void login_end(Login *login, int result);

/* Life-cycle. */

static int random_id(char id[static LOGIN_ID_SIZE + 1]) {
        unsigned char bytes[LOGIN_ID_SIZE / 2];

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < sizeof(bytes); i++)
                (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static int login_set_timer(Login *login, uint64_t usec) {
        int r;

        if (!login->timer)
                return sd_event_add_time(login->event, &login->timer, CLOCK_BOOTTIME, usec,
                                         TIMER_ACCURACY_USEC, on_timer, login);
        r = sd_event_source_set_time(login->timer, usec);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(login->timer, SD_EVENT_ONESHOT);
}

int login_new(sd_event *event, Provider *provider, Revocations *revocations,
              const LoginRequest *request, LoginOver over, void *over_userdata, Login **ret) {
        _cleanup_(login_freep) Login *login = calloc(1, sizeof(*login));
        int r;

        if (!login)
                return -ENOMEM;
        login->event = sd_event_ref(event);
        login->provider = provider_ref(provider);
        login->revocations = revocations;
        login->bindings = request->bindings;
        login->over = over;
        login->over_userdata = over_userdata;
        login->user_uid = request->user_uid;
        login->caller_uid = request->caller_uid;
        login->user = strdup(request->user);
        login->service = strdup(request->service);
        login->rhost = strdup(request->rhost);
        if (!login->user || !login->service || !login->rhost)
                return -ENOMEM;
        r = random_id(login->id);
        if (r >= 0)
                r = random_id(login->nonce);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(login);
        return 0;
}

/* What the provider gave and nobody was given. */
static void login_discard(Login *login) {
        if (login->tokens)
                revocation_discard(login->revocations, login->provider,
                                   login->tokens->refresh_token, login->tokens->access_token);
        if (login->grant)
                revocation_discard(login->revocations, login->provider, login->grant->refresh_token,
                                   login->grant->access_token);
        login->tokens = token_response_free(login->tokens);
        login->grant = grant_free(login->grant);
}

static void login_stop(Login *login) {
        login->timer = sd_event_source_disable_unref(login->timer);
        login->device_request = device_request_free(login->device_request);
        login->poll = provider_request_free(login->poll);
        login->identity_request = identity_request_free(login->identity_request);
        login->authorization = device_authorization_free(login->authorization);
}

/* Tells whoever waits. True if there was somebody. */
static bool login_tell(Login *login, int result) {
        LoginTold told = login->begun ? login->begun : login->awaited;
        void *userdata = login->begun ? login->begun_userdata : login->awaited_userdata;

        if (!told)
                return false;
        if (login->begun)
                login->begun = NULL;
        else
                login->awaited = NULL;
        told(login, result, userdata);
        return true;
}

Login *login_free(Login *login) {
        if (!login)
                return NULL;
        (void)login_tell(login, OUTCOME_CANCELLED);
        login_stop(login);
        login_discard(login);
        explicit_bzero(login->id, sizeof(login->id));
        free(login->user);
        free(login->service);
        free(login->rhost);
        free(login->subject);
        provider_unref(login->provider);
        sd_event_unref(login->event);
        free(login);
        return NULL;
}

/* The end, in either way. */

static void login_log(const Login *login) {
        log_line(login->result == 0 ? 6 : 5,
                 "Login of %s by %s from %s through %s: %s%s%s; issuer %s subject %s", login->user,
                 *login->service ? login->service : "-", *login->rhost ? login->rhost : "-",
                 provider_config(login->provider)->name, result_text(login->result),
                 *login->detail ? ", " : "", login->detail, login_issuer(login),
                 login->subject ? login->subject : "-");
}

/* Always the last thing its caller does: the login may be gone afterwards. */
static void login_end(Login *login, int result) {
        bool told, was_begun = !login->begun;
        int r;

        assert(login->state != LOGIN_ENDED);
        login->state = LOGIN_ENDED;
        login->result = result;
        login_log(login);
        login_stop(login);
        if (result != 0)
                login_discard(login);

        told = login_tell(login, result);
        if (told && was_begun)
                login->delivered = true;
        if (result != 0 && (told || login->abandoned)) {
                login->over(login, login->over_userdata);
                return;
        }
        r = login_set_timer(login, clock_boottime_usec() + LOGIN_CLAIM_USEC);
        if (r < 0) {
                log_warning_errno(r, "A login cannot be kept");
                login->over(login, login->over_userdata);
        }
}

/* Who approved it. */

static void login_set_detail(Login *login, const char *what, const char *foreign) {
        _cleanup_free_ char *clean =
                foreign ? display_text_clean(foreign, LOGIN_TEXT_MAX / 2) : NULL;

        (void)snprintf(login->detail, sizeof(login->detail), "%s%s%s", what, clean ? " " : "",
                       clean ? clean : "");
}

/* The only place where a login succeeds. */
static int login_succeed(Login *login, const Identity *identity) {
        const ProviderConfig *config = provider_config(login->provider);
        _cleanup_free_ char *detail = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        login->subject = strdup(identity_subject(identity));
        if (!login->subject)
                return -ENOMEM;
        r = policy_judge_identity(config, identity, login->user, &detail);
        if (detail)
                login_set_detail(login, detail, NULL);
        if (r != 0)
                return r;
        if (!login->tokens->refresh_token && config->require_offline_access)
                return OUTCOME_NO_REFRESH_TOKEN;

        login->grant = token_grant_new(config, login->user, login->subject, login->tokens,
                                       login->sent_usec);
        if (!login->grant)
                return -ENOMEM;
        /* One that cannot be handed over later is no success now. */
        r = grant_seal(login->grant, &fd);
        if (r == -EINVAL)
                return OUTCOME_PROVIDER_ANSWER;
        if (r < 0)
                return r;
        /* Last: nobody is bound by a login that fails. */
        r = bindings_admit(login->bindings, config, login->user, login->subject);
        if (r != 0)
                return r;
        login->tokens = token_response_free(login->tokens);
        return 0;
}

static void on_identity(int result, Identity *approver, const char *detail, void *userdata) {
        _cleanup_(identity_freep) Identity *identity = approver;
        Login *login = userdata;

        if (result == 0)
                result = login_succeed(login, identity);
        else if (detail)
                login_set_detail(login, detail, NULL);
        login_end(login, result);
}

static void login_identify(Login *login) {
        int r;

        login->state = LOGIN_IDENTIFICATION;
        r = identity_request_start(login->provider, login->tokens, login->nonce, on_identity, login,
                                   &login->identity_request);
        if (r < 0)
                login_end(login, r);
}

/* Polling, RFC 8628 3.4 and 3.5. */

typedef enum PollAction {
        POLL_STOP,
        POLL_AGAIN,
        POLL_SLOWER,
        POLL_BACK_OFF,
} PollAction;

/* What to do about each answer that is no token. A 200 ends it even if it cannot be used: the code
 * is redeemed then, and to redeem it twice revokes the grant at several providers. */
static const struct {
        PollAction action;
        Outcome outcome;
} poll_actions[] = {
        [TOKEN_E_PENDING] = {POLL_AGAIN, OUTCOME_SUCCESS},
        [TOKEN_E_SLOW_DOWN] = {POLL_SLOWER, OUTCOME_SUCCESS},
        [TOKEN_E_DENIED] = {POLL_STOP, OUTCOME_ACCESS_DENIED},
        [TOKEN_E_EXPIRED] = {POLL_STOP, OUTCOME_CODE_EXPIRED},
        [TOKEN_E_GRANT_OVER] = {POLL_STOP, OUTCOME_CODE_EXPIRED},
        [TOKEN_E_CONFIGURATION] = {POLL_STOP, OUTCOME_CLIENT_REFUSED},
        [TOKEN_E_AMBIGUOUS] = {POLL_STOP, OUTCOME_PROVIDER_ANSWER},
        [TOKEN_E_TRANSIENT] = {POLL_BACK_OFF, OUTCOME_SUCCESS},
        [TOKEN_E_MALFORMED] = {POLL_STOP, OUTCOME_PROVIDER_ANSWER},
        [TOKEN_E_TOKEN_TYPE] = {POLL_STOP, OUTCOME_PROVIDER_ANSWER},
};

/* Waits for the next permitted poll, or for the code's end where that comes first. */
static void login_wait(Login *login) {
        int r;

        login->state = LOGIN_WAITING;
        r = login_set_timer(login, poll_schedule_may_continue(&login->schedule)
                                           ? login->schedule.next_usec
                                           : login->schedule.expires_usec);
        if (r < 0)
                login_end(login, r);
}

static void login_poll_again(Login *login, PollAnswer answer, uint64_t retry_after_usec) {
        uint64_t now_usec = clock_boottime_usec();

        if (answer != POLL_ANSWER_TROUBLE)
                login->lost = false;
        poll_schedule_answer(&login->schedule, answer,
                             retry_after_usec > 0 ? now_usec + retry_after_usec : 0, now_usec);
        login_wait(login);
}

/* RFC 8628 3.5 lets a client poll on after an answer that did not arrive: a provider that was cut
 * off before it redeemed the code gives the tokens then. One that had redeemed it calls it expired
 * or invalid, long before it is. A refusal stays one: that may be the person's own. */
static Outcome login_poll_outcome(const Login *login, TokenError error) {
        if (error == TOKEN_E_CONFIGURATION)
                return provider_refusal(login->provider);
        if (poll_actions[error].outcome == OUTCOME_CODE_EXPIRED && login->lost &&
            login->sent_usec + login->schedule.interval_usec < login->schedule.expires_usec)
                return OUTCOME_LOGIN_LOST;
        return poll_actions[error].outcome;
}

static void login_poll_failed(Login *login, TokenError error, const char *code,
                              uint64_t retry_after_usec) {
        static const PollAnswer answers[] = {
                [POLL_AGAIN] = POLL_ANSWER_PENDING,
                [POLL_SLOWER] = POLL_ANSWER_SLOW_DOWN,
                [POLL_BACK_OFF] = POLL_ANSWER_TROUBLE,
        };
        PollAction action = poll_actions[error].action;

        if (action != POLL_STOP) {
                login_poll_again(login, answers[action], retry_after_usec);
                return;
        }
        if (code)
                login_set_detail(login, "the token endpoint says", code);
        login_end(login, (int)login_poll_outcome(login, error));
}

/* Nobody wants it any more, but an answer that was under way may have brought tokens. */
static void login_drain(Login *login, HttpError error, const HttpResponse *response) {
        if (error == HTTP_OK)
                (void)token_response_parse(response, &login->tokens, NULL);
        login_end(login, OUTCOME_CANCELLED);
}

static void on_poll_answer(HttpError error, const HttpResponse *response, const char *detail,
                           void *userdata) {
        _cleanup_free_ char *code = NULL;
        Login *login = userdata;
        int r;

        login->poll = provider_request_free(login->poll);
        if (login->abandoned) {
                login_drain(login, error, response);
                return;
        }
        /* RFC 8628 3.5: a connection timeout means to ask less often, not to give up. */
        login->lost = login->lost || error == HTTP_E_LOST;
        if (error == HTTP_E_UNREACHABLE || error == HTTP_E_LOST) {
                login_poll_again(login, POLL_ANSWER_TROUBLE, 0);
                return;
        }
        if (error != HTTP_OK) {
                login_set_detail(login, "the token endpoint:", detail);
                login_end(login, (int)provider_http_outcome(error));
                return;
        }
        r = token_response_parse(response, &login->tokens, &code);
        if (r > 0)
                login_poll_failed(login, (TokenError)r, code, response->retry_after_usec);
        else if (r < 0)
                login_end(login, r);
        else
                login_identify(login);
}

static int login_send_poll(Login *login) {
        const ProviderConfig *config = provider_config(login->provider);
        _cleanup_(form_freep) Form *form = NULL;
        uint64_t now_usec = clock_boottime_usec();
        uint64_t timeout_usec = login->schedule.expires_usec - now_usec + LAST_ANSWER_USEC;
        int r;

        r = form_new(&form);
        if (r < 0)
                return r;
        r = form_add(form, "grant_type", DEVICE_CODE_GRANT);
        if (r >= 0)
                r = form_add_secret(form, "device_code", login->authorization->device_code);
        if (r >= 0)
                r = form_add(form, "resource", config->resource);
        if (r < 0)
                return r;
        login->state = LOGIN_POLLING;
        login->sent_usec = now_usec;
        return provider_post(login->provider, PROVIDER_TOKEN, form,
                             timeout_usec < REQUEST_TIMEOUT_USEC ? timeout_usec
                                                                 : REQUEST_TIMEOUT_USEC,
                             on_poll_answer, login, &login->poll);
}

static void login_poll(Login *login) {
        uint64_t now_usec = clock_boottime_usec();
        int r;

        if (now_usec >= login->schedule.expires_usec) {
                login_end(login, OUTCOME_CODE_EXPIRED);
                return;
        }
        /* Somebody else on this host was told to leave the provider alone. */
        if (now_usec < provider_busy_until_usec(login->provider, PROVIDER_TOKEN)) {
                login->schedule.next_usec =
                        provider_busy_until_usec(login->provider, PROVIDER_TOKEN);
                login_wait(login);
                return;
        }
        r = login_send_poll(login);
        if (r < 0)
                login_end(login, r);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Login *login = userdata;

        (void)source;
        (void)usec;
        if (login->state == LOGIN_WAITING)
                login_poll(login);
        else if (login->state == LOGIN_ENDED)
                login_cancel(login); /* nobody came */
        return 0;
}

/* The code. */

static void on_authorization(int result, DeviceAuthorization *authorization, const char *detail,
                             void *userdata) {
        Login *login = userdata;

        login->device_request = device_request_free(login->device_request);
        if (result != 0) {
                if (detail)
                        login_set_detail(login, "no code:", detail);
                login_end(login, result);
                return;
        }
        login->authorization = authorization;
        poll_schedule_init(&login->schedule, authorization->interval_usec,
                           authorization->expires_in_usec, clock_boottime_usec());
        /* In the time that a person needs anyway, and over the connection that is open now. */
        provider_prefetch_keys(login->provider);
        (void)login_tell(login, 0);
        login_wait(login);
}

void login_begin(Login *login, LoginTold begun, void *userdata) {
        int r;

        assert(login->state == LOGIN_NEW);
        login->begun = begun;
        login->begun_userdata = userdata;
        login->state = LOGIN_AUTHORIZATION;
        r = device_request_start(login->provider, login->nonce, on_authorization, login,
                                 &login->device_request);
        if (r < 0)
                login_end(login, r);
}

/* Those who come for it. */

void login_await(Login *login, LoginTold awaited, void *userdata) {
        LoginTold before = login->awaited;

        if (login->state == LOGIN_ENDED) {
                login->delivered = true;
                awaited(login, login->result, userdata);
                if (login->result != 0)
                        login->over(login, login->over_userdata);
                return;
        }
        if (before)
                before(login, OUTCOME_CANCELLED, login->awaited_userdata);
        login->awaited = awaited;
        login->awaited_userdata = userdata;
}

void login_cancel(Login *login) {
        if (login->state == LOGIN_ENDED) {
                if (login->grant)
                        log_info("Login of %s: the grant was not claimed", login->user);
                login->over(login, login->over_userdata);
                return;
        }
        if (login->abandoned)
                return;
        login->abandoned = true;
        if (login->state == LOGIN_POLLING)
                (void)login_tell(login, OUTCOME_CANCELLED); /* on_poll_answer() ends it */
        else
                login_end(login, OUTCOME_CANCELLED);
}

int login_claim(Login *login, Grant **ret) {
        /* In order: whoever has not heard the verdict has not logged anybody in. */
        if (!login->grant || !login->delivered)
                return -ENOENT;
        *ret = TAKE_PTR(login->grant);
        return 0;
}

void login_give_back(Login *login, Grant *grant) {
        login->grant = grant;
}

const char *login_id(const Login *login) {
        return login->id;
}

const char *login_user(const Login *login) {
        return login->user;
}

const ProviderConfig *login_provider_config(const Login *login) {
        return provider_config(login->provider);
}

uid_t login_user_uid(const Login *login) {
        return login->user_uid;
}

uid_t login_caller_uid(const Login *login) {
        return login->caller_uid;
}

bool login_is_waiting(const Login *login) {
        return login->state != LOGIN_ENDED;
}

bool login_was_delivered(const Login *login) {
        return login->delivered;
}

const DeviceAuthorization *login_challenge(const Login *login) {
        return login->authorization;
}

uint64_t login_expires_usec(const Login *login) {
        return login->schedule.expires_usec;
}

const char *login_issuer(const Login *login) {
        return provider_config(login->provider)->issuer;
}

const char *login_subject(const Login *login) {
        return login->subject;
}
