// SPDX-License-Identifier: Apache-2.0

import CCurl

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// One easy handle of libcurl and the response that it receives. Used for one request after the other, always
/// on the loop's thread.
final class Transfer {
    typealias Outcome = Result<HTTPResponse, HTTPError>

    let easy: UnsafeMutableRawPointer
    private(set) var id: UInt64 = 0

    private let addressPolicy: AddressPolicy
    /// libcurl writes what it knows about a failure here.
    private let errorText: UnsafeMutablePointer<CChar>
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var request: PreparedRequest?
    private var response = ResponseReader(maxWireBytes: 0, maxBodyBytes: 0)
    private var wasAddressRefused = false
    private var isSecondTry = false

    init(_ configuration: HTTPClientConfiguration) throws(HTTPError) {
        guard let easy = curl_easy_init() else {
            throw HTTPError(.unavailable, "libcurl has no memory for a transfer")
        }
        self.easy = easy
        addressPolicy = configuration.addressPolicy
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        var options = TransferOptions(easy)
        options.set(configuration)
        options.setCallbacks(self, errorText: errorText)
        try Self.check(options.result)
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    /// Makes the handle ready for a request. After this it is added to the multi handle.
    func begin(_ request: PreparedRequest, id: UInt64, isSecondTry: Bool = false) throws(HTTPError) {
        self.id = id
        self.request = request
        self.isSecondTry = isSecondTry
        response = ResponseReader(maxWireBytes: request.maxWireBytes, maxBodyBytes: request.maxBodyBytes)
        wasAddressRefused = false
        errorText[0] = 0
        for line in request.headerLines {
            guard let grown = curl_slist_append(headerList, line) else {
                throw HTTPError(.unavailable, "libcurl has no memory for a header")
            }
            headerList = grown
        }
        var options = TransferOptions(easy)
        options.set(request, headers: headerList, onNewConnection: isSecondTry || !request.isRepeatable)
        try Self.check(options.result)
    }

    /// Whether the request should go out once more, on a new connection: it met one that was used before and
    /// that the server ended. For HTTP/1.1 libcurl does this itself; for HTTP/2 it reports a failure,
    /// although servers end connections after some number of requests as a matter of course.
    func deservesSecondTry(after result: CURLcode) -> Bool {
        guard result != CURLE_OK, HTTPError.Code(result) == .reset, !isSecondTry, response.isEmpty,
            request?.isRepeatable == true
        else { return false }
        return lockstep_curl_get_long(easy, CURLINFO_NUM_CONNECTS) == 0
    }

    /// Takes the outcome. The handle is no longer in the multi handle.
    func finish(_ result: CURLcode) -> Outcome {
        guard let request else {
            return .failure(HTTPError(.unavailable, "a transfer ended that had no request"))
        }
        let status = lockstep_curl_get_long(easy, CURLINFO_RESPONSE_CODE)
        let isWhole = result == CURLE_OK && response.end() && response.violation == nil
        // A refusal says what matters with its status and headers, such as when to come again.
        let isTooLarge = response.violation == .bodyTooLarge
        guard isWhole || (isTooLarge && (status >= 400 || request.mayCutBody)) else {
            return .failure(error(for: result, of: request, status: isTooLarge ? status : nil))
        }
        return .success(
            HTTPResponse(
                status: status, headers: response.headers, body: response.takeBody(), url: request.url))
    }

    /// The outcome of a request that is taken back before it ended by itself.
    func abandon(_ code: HTTPError.Code, because reason: String) -> Outcome {
        let origin = request?.target.origin ?? "unknown"
        return .failure(
            HTTPError(
                code, "the request to \(origin) was given up: \(reason)", requestWasSent: wasRequestSent))
    }

    /// Drops what the handle holds of the request: headers and bodies may be secrets.
    func forget() {
        request = nil
        response = ResponseReader(maxWireBytes: 0, maxBodyBytes: 0)
        TransferOptions(easy).forgetRequest()
        curl_slist_free_all(headerList)
        headerList = nil
    }

    private var wasRequestSent: Bool { lockstep_curl_get_long(easy, CURLINFO_REQUEST_SIZE) > 0 }

    private func error(
        for result: CURLcode, of request: PreparedRequest, status: Int?
    ) -> HTTPError {
        let code = response.violation ?? code(for: result)
        let reason =
            switch code {
            case .addressRefused:
                "its address is not public, and the origin is not an exception of the operator"
            case .bodyTooLarge:
                "the body exceeds \(request.maxWireBytes) bytes on the wire or \(request.maxBodyBytes) decoded"
            case .headersTooLarge:
                "there are over \(HTTPHeaders.maxCount) headers or \(HTTPHeaders.maxByteCount) bytes of them"
            case _ where response.reason != nil: response.reason ?? ""
            // The certificate's fault in words; it quotes nothing of the request.
            case .tls where errorText[0] != 0: String(cString: errorText)
            default: String(cString: curl_easy_strerror(result))
            }
        return HTTPError(
            code, "no response from \(request.target.origin): \(reason)", requestWasSent: wasRequestSent,
            status: status)
    }

    private func code(for result: CURLcode) -> HTTPError.Code {
        switch result {
        case CURLE_COULDNT_CONNECT where wasAddressRefused: .addressRefused
        // A single line that is too long for libcurl's own buffer, which it reports in this way.
        case CURLE_OUT_OF_MEMORY where wasRequestSent && response.isInHeaders: .headersTooLarge
        default: HTTPError.Code(result)
        }
    }

    private static func check(_ result: CURLcode) throws(HTTPError) {
        guard result != CURLE_OK else { return }
        throw HTTPError(
            .unavailable, "libcurl refused an option: \(String(cString: curl_easy_strerror(result)))")
    }
}

// MARK: What libcurl calls

extension Transfer {
    /// The object behind the context of a callback. It outlives its easy handle, which it owns.
    static func from(_ context: UnsafeMutableRawPointer?) -> Transfer? {
        context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
    }

    func receive(headerLine line: UnsafeRawBufferPointer) -> Bool {
        response.receive(headerLine: line)
    }

    func receive(body chunk: UnsafeRawBufferPointer) -> Bool {
        response.receive(
            body: chunk,
            announcedWireBytes: Int(lockstep_curl_get_offset(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T)))
    }

    func progress(wireBytes: Int) -> Bool {
        response.progress(wireBytes: wireBytes)
    }

    /// Makes a socket for an address that the policy permits; -1, libcurl's bad socket, for another one.
    func openSocket(to address: UnsafeMutablePointer<curl_sockaddr>) -> Int32 {
        guard let request, let (resolved, port) = IPAddress.read(address),
            addressPolicy.permits(resolved, port: port, for: request.target)
        else {
            wasAddressRefused = true
            return -1
        }
        let kind = address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue)
        return socket(address.pointee.family, kind, address.pointee.protocol)
    }
}
