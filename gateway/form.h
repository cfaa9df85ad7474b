/* SPDX-License-Identifier: MIT */
#pragma once

/* Form: the body of a request to the provider (RFC 6749 appendix B), built in wiped memory because
 * it carries refresh tokens, device codes and client secrets. */

#include "common/secret.h"

typedef struct Form Form;

int form_new(Form **ret);
Form *form_free(Form *form);
DEFINE_CLEANUP(Form, form_free);

/* Adds name=value, percent-encoded; a NULL or empty @value is left out (RFC 6749 3.1: a parameter
 * without a value counts as absent). */
int form_add(Form *form, const char *name, const char *value);
int form_add_secret(Form *form, const char *name, const Secret *value);

/* Adds what form_finish() has made of another form. */
int form_add_encoded(Form *form, const Secret *body);

/* The encoded body; the form is not usable afterwards. */
int form_finish(Form *form, Secret **ret);

/* RFC 6749 2.3.1: "Basic " + base64(form-encoded id ":" form-encoded secret). */
int form_basic_authorization(const char *client_id, const Secret *client_secret, Secret **ret);
