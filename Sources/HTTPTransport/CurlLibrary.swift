// SPDX-License-Identifier: Apache-2.0

import CCurl

/// The process-wide state of libcurl.
enum CurlLibrary {
    /// Started once. The failure, when the library cannot do what the client promises.
    static let started: Result<Void, HTTPError> = start()

    private static func start() -> Result<Void, HTTPError> {
        let result = curl_global_init(Int(CURL_GLOBAL_ALL))
        guard result == CURLE_OK else {
            let reason = String(cString: curl_easy_strerror(result))
            return .failure(HTTPError(.unavailable, "libcurl could not start: \(reason)"))
        }
        let features = lockstep_curl_features()
        // Without its resolver threads, one slow name would stop every transfer.
        guard features & CURL_VERSION_ASYNCHDNS != 0, features & CURL_VERSION_SSL != 0 else {
            return .failure(
                HTTPError(
                    .unavailable, "libcurl was built without TLS or without asynchronous name resolution"))
        }
        return .success(())
    }
}
