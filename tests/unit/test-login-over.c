/* SPDX-License-Identifier: MIT */

/* The end of a login in the daemon: what is told, to whom, and how often. */

#undef NDEBUG
#include <assert.h>

#include "common/clock.h"
#include "tests/unit/daemon-fixture.h"

#define SETTLE (50 * USEC_PER_MSEC)

/* A desktop on the other end of the connection. */
typedef struct Desktop {
        unsigned n_shown, n_closed;
        uint32_t shown, closed;
        char body[256];
        sd_bus_message *held;
        bool hold;
} Desktop;

static int on_notify(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const char *program, *icon, *summary, *body;
        Desktop *desktop = userdata;
        uint32_t replaces;

        (void)error;
        assert(sd_bus_message_read(call, "susss", &program, &replaces, &icon, &summary, &body) > 0);
        assert(streq(program, "oidc-keyring") && replaces == 0);
        (void)snprintf(desktop->body, sizeof(desktop->body), "%s", body);
        desktop->shown = 7 + desktop->n_shown++;
        if (!desktop->hold)
                return sd_bus_reply_method_return(call, "u", desktop->shown);
        desktop->held = sd_bus_message_ref(call);
        return 1;
}

static int on_close(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Desktop *desktop = userdata;

        (void)error;
        assert(sd_bus_message_read(call, "u", &desktop->closed) > 0);
        desktop->n_closed++;
        return 1;
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Notify", "susssasa{sv}i", "u", on_notify, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CloseNotification", "u", "", on_close, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static void begin(Fixture *f, Desktop *desktop) {
        fixture_begin(f);
        *desktop = (Desktop){0};
        assert(sd_bus_add_object_vtable(f->client, NULL, "/org/freedesktop/Notifications",
                                        "org.freedesktop.Notifications", vtable, desktop) >= 0);
}

static void add(Fixture *f, const char *access_token, const char *refresh_token, uint64_t left) {
        _cleanup_close_ int fd = fixture_grant(f, access_token, refresh_token, LIFE, LIFE - left);
        REPLY *reply = fixture_call(f, "AddGrant", "h", fd);

        assert(is_error(reply, NULL));
}

static void refresh_says(Fixture *f, const char *error) {
        REPLY *reply = fixture_call(f, "Refresh", "s", f->account);

        assert(is_error(reply, error));
        fixture_run(f, SETTLE);
}

/* Shown once, taken away with the new login, and shown again at the next end. */
static void test_shown(void) {
        char way_back[64];
        Desktop desktop;
        FIXTURE f;

        begin(&f, &desktop);
        add(&f, "access-0", "refresh-0", 200 * USEC_PER_SEC);
        f.gateway.error = GATEWAY_ERROR("LoginRequired");
        for (unsigned i = 0; i < 3; i++)
                refresh_says(&f, "LoginRequired");
        (void)snprintf(way_back, sizeof(way_back), "oidc-keyring login %s", f.account);
        assert(desktop.n_shown == 1 && strstr(desktop.body, way_back) && desktop.n_closed == 0);
        assert(f.gateway.n_refreshes == 1 && streq(f.states, "refreshing login-required "));

        f.gateway.error = NULL;
        add(&f, "access-x", "refresh-x", 200 * USEC_PER_SEC);
        fixture_run(&f, SETTLE);
        assert(desktop.n_closed == 1 && desktop.closed == desktop.shown);
        refresh_says(&f, NULL);
        assert(desktop.n_shown == 1 && desktop.n_closed == 1);

        f.gateway.error = GATEWAY_ERROR("LoginRequired");
        refresh_says(&f, "LoginRequired");
        assert(desktop.n_shown == 2);
        REPLY *logout = fixture_call(&f, "Logout", "s", "");
        fixture_run(&f, SETTLE);
        assert(is_error(logout, NULL) && desktop.n_closed == 2 && desktop.closed == desktop.shown);
}

/* The desktop is slow, and the person was faster. */
static void test_late_answer(void) {
        Desktop desktop;
        FIXTURE f;

        begin(&f, &desktop);
        desktop.hold = true;
        add(&f, "access-0", "refresh-0", 200 * USEC_PER_SEC);
        f.gateway.error = GATEWAY_ERROR("LoginRequired");
        refresh_says(&f, "LoginRequired");
        add(&f, "access-x", "refresh-x", 200 * USEC_PER_SEC);
        fixture_run(&f, SETTLE);
        assert(desktop.n_shown == 1 && desktop.n_closed == 0);
        assert(sd_bus_reply_method_return(desktop.held, "u", desktop.shown) >= 0);
        sd_bus_message_unref(desktop.held);
        fixture_run(&f, SETTLE);
        assert(desktop.n_closed == 1 && desktop.closed == desktop.shown);
}

/* Network trouble is nobody's business. */
static void test_not_shown(void) {
        Desktop desktop;
        FIXTURE f;

        begin(&f, &desktop);
        add(&f, "access-0", "refresh-0", 200 * USEC_PER_SEC);
        f.gateway.error = GATEWAY_ERROR("ProviderUnreachable");
        refresh_says(&f, "ProviderUnreachable");
        assert(desktop.n_shown == 0);
}

static void test_expired_for_good(void) {
        Desktop desktop;
        FIXTURE f;

        begin(&f, &desktop);
        add(&f, "access-0", NULL, 2500 * USEC_PER_MSEC);
        fixture_run(&f, 3 * USEC_PER_SEC);
        assert(fixture_property_is(&f, "State", "login-required") && desktop.n_shown == 1);
        assert(fixture_key_is(&f, NULL) && f.gateway.n_refreshes == 0);
}

static void test_another_identity(void) {
        _cleanup_free_ char *trouble = NULL;
        Desktop desktop;
        FIXTURE f;

        begin(&f, &desktop);
        add(&f, "access-0", "refresh-0", 200 * USEC_PER_SEC);
        f.gateway.error = GATEWAY_ERROR("UserMismatch");
        refresh_says(&f, "LoginRequired");
        trouble = fixture_property(&f, "LastError");
        assert(strstr(trouble, "another identity") && strstr(trouble, "oidc-keyring login"));
        assert(fixture_property_is(&f, "State", "login-required") && desktop.n_shown == 1);
}

/* A grant that says of itself that it is over, or may be, comes from no login. */
static void test_foreign_end(void) {
        _cleanup_(grant_freep) Grant *grant = NULL;
        _cleanup_close_ int fd = -1, over = -1, lost = -1, sent = -1;
        Desktop desktop;
        FIXTURE f;

        begin(&f, &desktop);
        fd = fixture_grant(&f, "access-0", NULL, LIFE, 0);
        assert(grant_unseal(fd, &grant) == 0);
        grant->login_over = 1;
        assert(grant_seal(grant, &over) == 0);
        REPLY *reply = fixture_call(&f, "AddGrant", "h", over);
        assert(is_error(reply, "BadGrant") && manager_n_accounts(f.manager) == 0);

        grant->login_over = 0;
        grant->answer_lost = 1;
        assert(secret_new_copy("refresh-0", 9, &grant->refresh_token) == 0);
        assert(grant_seal(grant, &lost) == 0);
        REPLY *other = fixture_call(&f, "AddGrant", "h", lost);
        assert(is_error(other, "BadGrant") && manager_n_accounts(f.manager) == 0);

        grant->answer_lost = 0;
        grant->sent = 1;
        assert(grant_seal(grant, &sent) == 0);
        REPLY *another = fixture_call(&f, "AddGrant", "h", sent);
        assert(is_error(another, "BadGrant") && manager_n_accounts(f.manager) == 0);
}

int main(void) {
        if (!fixture_has_keyring())
                return 77;
        test_shown();
        test_late_answer();
        test_not_shown();
        test_expired_for_good();
        test_another_identity();
        test_foreign_end();
        return 0;
}
