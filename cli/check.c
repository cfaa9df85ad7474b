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
        _cleanup_(config_freep) Config *config = NULL;
        bool root = geteuid() == 0;
        Findings findings = {0};
        ExitCode code;

        if (!command_without_arguments(command, argc, argv, NULL, &code))
                return code;
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
