/* SPDX-License-Identifier: MIT */
#include "daemon/retirement.h"

#include <errno.h>
#include <fcntl.h>

#include "common/outcome.h"

struct Retirement {
        const GatewayClient *gateway;
        GatewayCall *call;
        int grant_fd;
        RetirementDone done;
        void *userdata;
};

Retirement *retirement_free(Retirement *retirement) {
        if (!retirement)
                return NULL;
        gateway_call_free(retirement->call);
        closep(&retirement->grant_fd);
        free(retirement);
        return NULL;
}

static void retirement_on_revoked(void *userdata, int result, const char *message, int grant_fd) {
        Retirement *retirement = userdata;

        (void)grant_fd;
        retirement->done(retirement->userdata, retirement, result, message);
}

static int retirement_revoke(Retirement *retirement) {
        retirement->call = gateway_call_free(retirement->call);
        return gateway_call_new(retirement->gateway, GATEWAY_REVOKE, retirement->grant_fd,
                                retirement_on_revoked, retirement, &retirement->call);
}

static void retirement_on_refreshed(void *userdata, int result, const char *message, int grant_fd) {
        Retirement *retirement = userdata;
        int r;

        (void)message;
        if (result == OUTCOME_LOGIN_REQUIRED) { /* nothing is left to revoke */
                retirement->done(retirement->userdata, retirement, 0, NULL);
                return;
        }
        if (result == 0 && grant_fd >= 0) {
                int newer = fcntl(grant_fd, F_DUPFD_CLOEXEC, 3);

                if (newer >= 0) {
                        closep(&retirement->grant_fd);
                        retirement->grant_fd = newer;
                }
        }
        r = retirement_revoke(retirement);
        if (r < 0)
                retirement->done(retirement->userdata, retirement, r, NULL);
}

int retirement_new(const GatewayClient *gateway, int grant_fd, GatewayCall *refresh,
                   RetirementDone done, void *userdata, Retirement **ret) {
        _cleanup_(retirement_freep) Retirement *retirement = calloc(1, sizeof(*retirement));
        int r = 0;

        if (!retirement) {
                closep(&grant_fd);
                gateway_call_free(refresh);
                return -ENOMEM;
        }
        *retirement = (Retirement){
                .gateway = gateway,
                .call = refresh,
                .grant_fd = grant_fd,
                .done = done,
                .userdata = userdata,
        };
        if (refresh)
                gateway_call_redirect(refresh, retirement_on_refreshed, retirement);
        else
                r = retirement_revoke(retirement);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(retirement);
        return 0;
}
