// SPDX-License-Identifier: Apache-2.0

import CCurl

/// Sets the options of an easy handle, and keeps the first failure.
struct TransferOptions {
    private let easy: UnsafeMutableRawPointer
    private(set) var result = CURLE_OK

    init(_ easy: UnsafeMutableRawPointer) {
        self.easy = easy
    }

    /// What is the same for all requests of a client.
    mutating func set(_ configuration: HTTPClientConfiguration) {
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_HTTP09_ALLOWED, 0)
        // The empty string overrules http_proxy and its like in the environment.
        set(CURLOPT_PROXY, "")
        // The empty string offers every encoding that this libcurl decodes.
        set(CURLOPT_ACCEPT_ENCODING, "")
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        set(CURLOPT_TCP_KEEPALIVE, 1)
        // A quarter of the system calls for a long page.
        set(CURLOPT_BUFFERSIZE, 64 * 1024)
        set(CURLOPT_USERAGENT, configuration.userAgent)
        if let file = configuration.certificateAuthorities { set(CURLOPT_CAINFO, file) }
        if configuration.lowSpeedDuration > .zero {
            set(CURLOPT_LOW_SPEED_LIMIT, configuration.lowSpeedLimit)
            set(CURLOPT_LOW_SPEED_TIME, max(1, Int(configuration.lowSpeedDuration.components.seconds)))
        }
    }

    /// Ties the handle to its transfer, which owns it and so outlives it.
    mutating func setCallbacks(_ transfer: Transfer, errorText: UnsafeMutablePointer<CChar>) {
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        set(CURLOPT_PRIVATE, context)
        set(CURLOPT_ERRORBUFFER, UnsafeMutableRawPointer(errorText))
        set(CURLOPT_WRITEDATA, context)
        set(CURLOPT_HEADERDATA, context)
        set(CURLOPT_XFERINFODATA, context)
        set(CURLOPT_NOPROGRESS, 0)
        set(CURLOPT_OPENSOCKETDATA, context)
        // A count other than that of the bytes ends the transfer.
        add(
            lockstep_curl_on_body(easy) { bytes, size, count, context in
                let chunk = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return Transfer.from(context)?.receive(body: chunk) == true
                    ? chunk.count : Int(CURL_WRITEFUNC_ERROR)
            })
        add(
            lockstep_curl_on_header(easy) { bytes, size, count, context in
                let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return Transfer.from(context)?.receive(headerLine: line) == true ? line.count : 0
            })
        add(
            lockstep_curl_on_progress(easy) { context, _, wireBytes, _, _ in
                Transfer.from(context)?.progress(wireBytes: Int(wireBytes)) == true ? 0 : 1
            })
        add(
            lockstep_curl_on_open_socket(easy) { context, _, address in
                guard let transfer = Transfer.from(context), let address else { return -1 }
                return transfer.openSocket(to: address)
            })
    }

    /// What one request needs. The handle keeps a reference to `headers` until `forgetRequest`.
    ///
    /// On a connection that was used before, libcurl sends a request again when the server had closed it
    /// meanwhile.
    mutating func set(
        _ request: PreparedRequest, headers: UnsafeMutablePointer<curl_slist>?, onNewConnection: Bool
    ) {
        set(CURLOPT_URL, request.target.url)
        // Undoes the method and the body of the request before.
        set(CURLOPT_HTTPGET, 1)
        set(CURLOPT_CUSTOMREQUEST, nil)
        if let body = request.body {
            setBody(body)
            if request.method != "POST" { set(CURLOPT_CUSTOMREQUEST, request.method) }
        } else if request.method == "HEAD" {
            set(CURLOPT_NOBODY, 1)
        } else if request.method != "GET" {
            set(CURLOPT_CUSTOMREQUEST, request.method)
        }
        add(lockstep_curl_set_headers(easy, headers))
        let remaining = request.deadline - .now
        set(CURLOPT_TIMEOUT_MS, remaining.wholeMilliseconds)
        set(CURLOPT_CONNECTTIMEOUT_MS, min(request.connectTimeout, remaining).wholeMilliseconds)
        set(CURLOPT_FRESH_CONNECT, onNewConnection ? 1 : 0)
        // The first requests to an HTTP/2 server wait for one handshake and share its connection.
        set(CURLOPT_PIPEWAIT, request.target.isSecure ? 1 : 0)
    }

    /// Takes back what the handle holds of a request.
    func forgetRequest() {
        _ = lockstep_curl_set_headers(easy, nil)
        _ = lockstep_curl_set_string(easy, CURLOPT_COPYPOSTFIELDS, nil)
    }

    private mutating func setBody(_ body: [UInt8]) {
        // A body of no bytes still needs an address: null would make libcurl read from standard input.
        let result = (body.isEmpty ? [0] : body).withUnsafeBytes { bytes in
            lockstep_curl_set_body(easy, bytes.baseAddress, body.count)
        }
        add(result)
    }

    private mutating func set(_ option: CURLoption, _ value: Int) {
        add(lockstep_curl_set_long(easy, option, value))
    }

    private mutating func set(_ option: CURLoption, _ value: String?) {
        add(lockstep_curl_set_string(easy, option, value))
    }

    private mutating func set(_ option: CURLoption, _ value: UnsafeMutableRawPointer) {
        add(lockstep_curl_set_pointer(easy, option, value))
    }

    private mutating func add(_ next: CURLcode) {
        if result == CURLE_OK { result = next }
    }
}

extension Duration {
    /// In milliseconds, rounded up; at least 1, as libcurl takes 0 for "no limit".
    fileprivate var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        return max(1, Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
    }
}
