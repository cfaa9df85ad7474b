/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "gateway/http.h"
#include "gateway/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        for (MetadataFlags flags = 0; flags <= (METADATA_LOOPBACK_HTTP | METADATA_MTLS); flags++) {
                bool allow = flags & METADATA_LOOPBACK_HTTP;
                _cleanup_(metadata_freep) Metadata *metadata = NULL;
                int r = metadata_parse((const char *)data, size, "https://id.example.com/oidc",
                                       flags, &metadata);

                assert((r == 0) == (metadata != NULL) && r >= 0 && r <= METADATA_E_ENDPOINT);
                if (!metadata)
                        continue;
                assert(http_url_is_acceptable(metadata->device_authorization_endpoint, allow));
                assert(http_url_is_acceptable(metadata->token_endpoint, allow));
                assert(http_url_is_acceptable(metadata->jwks_uri, allow));
                assert(!metadata->revocation_endpoint ||
                       http_url_is_acceptable(metadata->revocation_endpoint, allow));
                assert(!metadata->userinfo_endpoint ||
                       http_url_is_acceptable(metadata->userinfo_endpoint, allow));
        }
        return 0;
}
