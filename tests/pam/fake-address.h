/* SPDX-License-Identifier: MIT */
#pragma once

/* Stands in for pam/bus-address.c. @path may be NULL: there is no such bus. */
void fake_address_set(const char *system_path, const char *user_path);
