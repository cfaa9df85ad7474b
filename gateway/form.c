/* SPDX-License-Identifier: MIT */
#include "gateway/form.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/wiped-buffer.h"

struct Form {
        WipedBuffer body;
};

int form_new(Form **ret) {
        Form *form = calloc(1, sizeof(*form));

        if (!form)
                return -ENOMEM;
        *ret = form;
        return 0;
}

Form *form_free(Form *form) {
        if (!form)
                return NULL;
        wiped_buffer_done(&form->body);
        free(form);
        return NULL;
}

/* Locale plays no part. '~' and '*' are encoded by some and not by others; every decoder takes them
 * encoded. A blank becomes %20, which form decoders and plain percent-decoders both understand. */
static bool is_unreserved(unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_';
}

static int append_encoded(WipedBuffer *body, const char *bytes, size_t size) {
        static const char digits[] = "0123456789ABCDEF";
        int r = 0;

        for (size_t i = 0; i < size && r >= 0; i++) {
                unsigned char c = (unsigned char)bytes[i];
                char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
                bool plain = is_unreserved(c);

                r = wiped_buffer_append(body, plain ? bytes + i : escaped, plain ? 1 : 3,
                                        SECRET_SIZE_MAX);
                explicit_bzero(escaped, sizeof(escaped));
        }
        return r;
}

static int form_add_bytes(Form *form, const char *name, const char *value, size_t size) {
        WipedBuffer *body = &form->body;
        int r;

        if (size == 0)
                return 0;
        r = wiped_buffer_append(body, "&", body->used > 0 ? 1 : 0, SECRET_SIZE_MAX);
        if (r < 0)
                return r;
        r = append_encoded(body, name, strlen(name));
        if (r < 0)
                return r;
        r = wiped_buffer_append(body, "=", 1, SECRET_SIZE_MAX);
        if (r < 0)
                return r;
        return append_encoded(body, value, size);
}

int form_add(Form *form, const char *name, const char *value) {
        return form_add_bytes(form, name, value, value ? strlen(value) : 0);
}

int form_add_secret(Form *form, const char *name, const Secret *value) {
        return form_add_bytes(form, name, value ? secret_bytes(value) : NULL,
                              value ? secret_size(value) : 0);
}

int form_add_encoded(Form *form, const Secret *body) {
        int r;

        if (secret_size(body) == 0)
                return 0;
        r = wiped_buffer_append(&form->body, "&", form->body.used > 0 ? 1 : 0, SECRET_SIZE_MAX);
        if (r < 0)
                return r;
        return wiped_buffer_append(&form->body, secret_bytes(body), secret_size(body),
                                   SECRET_SIZE_MAX);
}

int form_finish(Form *form, Secret **ret) {
        return wiped_buffer_take(&form->body, ret);
}

static int encode_credentials(const char *client_id, const Secret *client_secret, Secret **ret) {
        _cleanup_(wiped_buffer_done) WipedBuffer credentials = {};
        int r;

        r = append_encoded(&credentials, client_id, strlen(client_id));
        if (r < 0)
                return r;
        r = wiped_buffer_append(&credentials, ":", 1, SECRET_SIZE_MAX);
        if (r < 0)
                return r;
        r = append_encoded(&credentials, secret_bytes(client_secret), secret_size(client_secret));
        if (r < 0)
                return r;
        return wiped_buffer_take(&credentials, ret);
}

int form_basic_authorization(const char *client_id, const Secret *client_secret, Secret **ret) {
        static const char scheme[] = "Basic ";
        _cleanup_(secret_freep) Secret *credentials = NULL, *authorization = NULL;
        size_t size;
        int r;

        r = encode_credentials(client_id, client_secret, &credentials);
        if (r < 0)
                return r;
        size = secret_size(credentials);
        r = secret_new(strlen(scheme) + (size + 2) / 3 * 4, &authorization);
        if (r < 0)
                return r;

        memcpy(secret_buffer(authorization), scheme, strlen(scheme));
        EVP_EncodeBlock((unsigned char *)secret_buffer(authorization) + strlen(scheme),
                        (const unsigned char *)secret_bytes(credentials), (int)size);
        *ret = TAKE_PTR(authorization);
        return 0;
}
