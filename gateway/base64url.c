/* SPDX-License-Identifier: MIT */
#include "gateway/base64url.h"

#include <errno.h>
#include <openssl/evp.h>

#define GROUP 4u /* characters that carry three bytes */

/* The character in base64's own alphabet; 0 if it is in neither. */
static char base64url_to_base64(char c) {
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
                return c;
        if (c == '-')
                return '+';
        return c == '_' ? '/' : '\0';
}

/* The value of a character of base64url that base64url_to_base64() knows. */
static unsigned base64url_value(char c) {
        static const char alphabet[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

        return (unsigned)(strchr(alphabet, c) - alphabet);
}

/* The last character of a group of two or three has four or two bits to spare. */
static int base64url_leftover_is_zero(const char *text, size_t size) {
        unsigned mask = size % GROUP == 2 ? 0x0f : size % GROUP == 3 ? 0x03 : 0;

        return size == 0 || (base64url_value(text[size - 1]) & mask) == 0;
}

int base64url_decode(const char *text, size_t size, Secret **ret) {
        _cleanup_(secret_freep) Secret *padded = NULL, *decoded = NULL;
        size_t groups = (size + GROUP - 1) / GROUP;
        char *p;
        int r;

        if (size % GROUP == 1)
                return -EBADMSG;
        r = secret_new(groups * GROUP, &padded);
        if (r < 0)
                return r;
        p = secret_buffer(padded);
        memset(p, '=', groups * GROUP);
        for (size_t i = 0; i < size; i++) {
                p[i] = base64url_to_base64(text[i]);
                if (p[i] == '\0')
                        return -EBADMSG;
        }
        if (!base64url_leftover_is_zero(text, size))
                return -EBADMSG;

        r = secret_new(groups * 3, &decoded);
        if (r < 0)
                return r;
        if (size > 0 && EVP_DecodeBlock((unsigned char *)secret_buffer(decoded),
                                        (const unsigned char *)p, (int)(groups * GROUP)) < 0)
                return -EBADMSG;
        return secret_new_copy(secret_bytes(decoded), size * 3 / GROUP, ret);
}

int base64url_encode(const void *bytes, size_t size, Secret **ret) {
        _cleanup_(secret_freep) Secret *padded = NULL;
        size_t length = size / 3 * GROUP + (size % 3 * GROUP + 2) / 3;
        char *p;
        int r;

        if (size > SECRET_SIZE_MAX)
                return -E2BIG;
        r = secret_new((size + 2) / 3 * GROUP, &padded);
        if (r < 0)
                return r;
        p = secret_buffer(padded);
        (void)EVP_EncodeBlock((unsigned char *)p, bytes, (int)size);
        for (size_t i = 0; i < length; i++)
                p[i] = (char)(p[i] == '+' ? '-' : p[i] == '/' ? '_' : p[i]);
        return secret_new_copy(p, length, ret);
}
