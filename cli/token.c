/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "cli/command.h"
#include "cli/own-keys.h"
#include "cli/user-bus.h"
#include "common/clock.h"
#include "common/grant.h"
#include "common/macro.h"
#include "common/parse.h"
#include "common/sealed-memfd.h"
#include "common/token-key.h"

#define TOKEN_TIMEOUT_USEC (120 * USEC_PER_SEC)
#define MIN_VALID_MAX_SEC (366u * 86400u)

static ExitCode run_token(const Command *command, int argc, char *argv[]);

const Command command_token = {
        .name = "token",
        .arguments = "[--min-valid SECONDS] [ACCOUNT]",
        .summary = "print the access token",
        .help = "ACCOUNT may be left out where there is only one. The token is followed by a line "
                "feed,\n"
                "which $(...) takes off; `keyctl pipe %user:oidc:ACCOUNT` prints none.\n\n"
                "  -m, --min-valid S     renew it first if it has less than S seconds left\n",
        .run = run_token,
};

/* Straight from the kernel: nobody has to be asked for a token that is good. */
static int token_from_key(const char *account, uint64_t min_valid_sec, Secret **ret) {
        _cleanup_(secret_freep) Secret *token = NULL;
        char only[ACCOUNT_NAME_MAX + 1];
        uint64_t remaining = UINT64_MAX;
        int32_t serial;
        int r;

        if (*account == '\0') {
                r = own_keys_only_account(only);
                if (r < 0)
                        return r;
                if (*only == '\0')
                        return -ENOKEY;
                account = only;
        }
        r = token_key_find(account, &serial);
        if (r < 0)
                return r;
        r = token_key_read(serial, &token, min_valid_sec > 0 ? &remaining : NULL);
        if (r < 0)
                return r;
        /* not to be told means that the kernel does not say: then the daemon knows */
        if (min_valid_sec > 0 && (remaining == UINT64_MAX || remaining < min_valid_sec))
                return -ENOKEY;

        *ret = TAKE_PTR(token);
        return 0;
}

/* Where there is no key, or one that somebody else made or wrote into; the daemon mends it, if the
 * keyring lets it, and hands the token out in either case. */
static ExitCode token_from_daemon(const char *account, uint64_t min_valid_sec, Secret **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        ExitCode code;
        int fd, r;

        code = user_bus_call(false, TOKEN_TIMEOUT_USEC, &reply, "ReadToken", "su", account,
                             (uint32_t)min_valid_sec);
        if (code != EXIT_CODE_OK)
                return code;
        r = sd_bus_message_read(reply, "ht", &fd, NULL);
        if (r >= 0)
                r = sealed_memfd_read(fd, GRANT_TOKEN_MAX, ret);
        if (r < 0) {
                complain("the daemon's answer cannot be read: %s", strerror(-r));
                return EXIT_CODE_FAILURE;
        }
        return EXIT_CODE_OK;
}

/* Not through stdio: its buffer would keep the token. */
static ExitCode print_token(const Secret *token) {
        const char *bytes = secret_bytes(token);
        size_t size = secret_size(token);

        while (size > 0) {
                ssize_t n = write(STDOUT_FILENO, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return EXIT_CODE_FAILURE;
                bytes += n;
                size -= (size_t)n;
        }
        return write(STDOUT_FILENO, "\n", 1) == 1 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

static ExitCode run_token(const Command *command, int argc, char *argv[]) {
        static const struct option options[] = {
                COMMAND_HELP_OPTION,
                {"min-valid", required_argument, NULL, 'm'},
                {NULL, 0, NULL, 0},
        };
        _cleanup_(secret_freep) Secret *token = NULL;
        uint64_t min_valid_sec = 0;
        const char *account;
        ExitCode code;
        int option;

        while ((option = getopt_long(argc, argv, "hm:", options, NULL)) >= 0) {
                if (option != 'm')
                        return command_option(command, option);
                if (parse_u64(optarg, 0, MIN_VALID_MAX_SEC, &min_valid_sec) < 0) {
                        complain("not a number of seconds: %s", optarg);
                        return EXIT_CODE_USAGE;
                }
        }
        account = command_account(argc, argv);
        if (!account)
                return EXIT_CODE_USAGE;
        if (token_from_key(account, min_valid_sec, &token) < 0) {
                code = token_from_daemon(account, min_valid_sec, &token);
                if (code != EXIT_CODE_OK)
                        return code;
        }
        return print_token(token);
}
