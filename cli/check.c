/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/check-parts.h"
#include "cli/command.h"

static ExitCode run_check(const Command *command, int argc, char *argv[]);

const Command command_check = {
        .name = "check",
        .arguments = "",
        .summary = "look for what is wrong with configuration, provider, PAM, sshd",
        .help = "Prints one line for each finding, with what to do about it. Run it as root for "
                "all of\n"
                "it, then as a user for the user's session. It asks the provider for one code and "
                "drops\n"
                "it; nothing is changed. Exit status 1 if something is broken.\n\n",
        .run = run_check,
};

static ExitCode run_check(const Command *command, int argc, char *argv[]) {
        static const struct option options[] = {COMMAND_HELP_OPTION, {NULL, 0, NULL, 0}};
        _cleanup_(config_freep) Config *config = NULL;
        bool root = geteuid() == 0;
        Findings findings = {0};
        int option;

        option = getopt_long(argc, argv, "h", options, NULL);
        if (option >= 0)
                return command_option(command, option);
        if (optind < argc) {
                complain("check takes no arguments: %s", argv[optind]);
                return EXIT_CODE_USAGE;
        }

        check_configuration(&findings, "", &config);
        if (root && config)
                check_credentials(&findings, "", config);
        check_gateway(&findings, config);
        check_pam(&findings, "");
        if (root)
                check_sshd(&findings, "");
        else
                check_session(&findings);
        (void)printf("%s\n", root ? "Run it as a user as well, for the user's bus and keyring."
                                  : "Run it as root as well, for providers, secrets and sshd.");
        return findings.n[SEVERITY_ERROR] > 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}
