// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport
public import Model
import PageScanner

/// The tokens of a successful answer.
public struct TokenGrant: Sendable, Equatable {
    /// The token that requests carry.
    public let accessToken: SecretString
    /// The token that the next one is asked for with; nil when the answer has none, and then an older one stays valid.
    public let refreshToken: SecretString?
    /// Nil when the answer does not say: not known, which is not the same as over.
    public let lifetime: TokenLifetime?
    /// What was granted; nil when the answer does not say.
    public let scopes: [String]?
}

/// Why there are no new tokens.
public struct TokenFailure: Error, Sendable, Equatable {
    /// What follows from it.
    public enum Kind: Sendable, Equatable {
        /// The provider takes the refresh token no more: the user has to connect again.
        case reconnect
        /// The client, the request or the profile is wrong: an operator has to act.
        case config
        /// Asked too often.
        case rateLimited
        /// May pass.
        case transient
    }

    /// What follows from it.
    public let kind: Kind
    /// A word for programs: `invalid_grant`, `http_503`, `timeout`, …
    public let code: String
    /// For the operator; no secret.
    public let detail: String
    /// How long the provider asks to wait.
    public let retryAfter: Duration?
    /// Whether the provider may have done what it was asked: then a refresh token that rotates may be used up.
    public let mayHaveTakenEffect: Bool

    /// A failure of one request.
    public init(
        _ kind: Kind, code: String, detail: String, retryAfter: Duration? = nil,
        mayHaveTakenEffect: Bool = false
    ) {
        self.kind = kind
        self.code = code
        self.detail = detail
        self.retryAfter = retryAfter
        self.mayHaveTakenEffect = mayHaveTakenEffect
    }
}

/// Reads what a token endpoint answered.
public enum TokenAnswer {
    /// The tokens, or what went wrong.
    public static func read(
        _ outcome: Result<HTTPResponse, HTTPError>, _ profile: OAuthProfile
    ) -> Result<TokenGrant, TokenFailure> {
        switch outcome {
        case .failure(let error): return .failure(failure(of: error))
        case .success(let response):
            let fields = FieldReader(response.body, profile.fields)
            // Some providers say with status 200 what went wrong.
            let isRefusal = fields.accessToken == nil && fields.error != nil
            if (200..<300).contains(response.status), fields.isSuccess, !isRefusal {
                return grant(fields, profile)
            }
            return .failure(failure(of: response, fields.error, profile))
        }
    }

    /// Nil for a revocation that took effect. The provider need not know the token any more (RFC 7009, 2.2).
    public static func revocationFailure(
        _ outcome: Result<HTTPResponse, HTTPError>, _ profile: OAuthProfile
    ) -> TokenFailure? {
        switch outcome {
        case .failure(let error): return failure(of: error)
        case .success(let response):
            let fields = FieldReader(response.body, profile.fields)
            // An empty answer is the usual success; only a member that says otherwise is a failure.
            let saysNo = profile.fields.success != nil && !response.body.isEmpty && !fields.isSuccess
            if (200..<300).contains(response.status), !saysNo { return nil }
            let found = failure(of: response, fields.error, profile)
            return found.kind == .reconnect ? nil : found
        }
    }

    private static func grant(_ fields: FieldReader, _ profile: OAuthProfile) -> Result<
        TokenGrant, TokenFailure
    > {
        guard let token = fields.accessToken else {
            return .failure(
                TokenFailure(
                    .transient, code: fields.isObject ? "token_missing" : "not_json",
                    detail: fields.isObject
                        ? "the answer has no token at \(profile.fields.accessToken.pointers.joined(separator: " or "))"
                        : "the answer of the token endpoint is not JSON",
                    mayHaveTakenEffect: true))
        }
        let lifetime = fields.lifetime ?? profile.assumedLifetime
        return .success(
            TokenGrant(
                accessToken: token, refreshToken: fields.refreshToken,
                lifetime: lifetime.flatMap { TokenLifetime($0, margin: profile.refreshMargin) },
                scopes: fields.scopes))
    }

    private static func failure(of error: HTTPError) -> TokenFailure {
        let isConfig = [.invalidURL, .invalidRequest, .addressRefused].contains(error.code)
        return TokenFailure(
            isConfig ? .config : .transient, code: error.code.description, detail: error.message,
            mayHaveTakenEffect: error.requestWasSent)
    }

    private static func failure(
        of response: HTTPResponse, _ error: String?, _ profile: OAuthProfile
    ) -> TokenFailure {
        let status = response.status
        let wait = RetryAfter.wait(in: response.headers)
        let word = error.map(word)
        func failure(_ kind: TokenFailure.Kind, inDoubt: Bool = false) -> TokenFailure {
            TokenFailure(
                kind, code: word ?? "http_\(status)",
                detail:
                    "the token endpoint answered with status \(status)\(word.map { ", error \($0)" } ?? "")",
                retryAfter: wait, mayHaveTakenEffect: inDoubt)
        }
        if let word, word == "invalid_grant" || profile.reconnectErrors.contains(word) {
            return failure(.reconnect)
        }
        if case .login = profile.grant, [400, 401, 403].contains(status) { return failure(.reconnect) }
        if status == 429 || word.map(limitWords.contains) == true { return failure(.rateLimited) }
        if word.map(passingWords.contains) == true { return failure(.transient) }
        if status >= 500 || status == 408 || status == 425 { return failure(.transient, inDoubt: true) }
        return failure(.config)
    }

    /// RFC 6749 and Slack's words.
    private static let limitWords: Set = ["slow_down", "ratelimited", "rate_limited", "rate_limit_exceeded"]
    private static let passingWords: Set = [
        "temporarily_unavailable", "server_error", "internal_error", "fatal_error", "service_unavailable",
        "request_timeout",
    ]

    /// A provider's error word, fit for a log: a text that is no word might repeat what was sent.
    static func word(_ text: String) -> String {
        let isWord =
            (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "_")
                    || byte == UInt8(ascii: "-")
            }
        return isWord ? text : "unreadable_error"
    }
}

/// The fields of an answer, where the profile says that they are.
private struct FieldReader {
    private let values: [JSONScalar?]
    private let hasSuccess: Bool
    let isObject: Bool

    init(_ body: [UInt8], _ fields: OAuthProfile.Fields) {
        let places = [
            fields.accessToken, fields.refreshToken, fields.expiresIn, fields.scope, fields.error,
            OAuthProfile.Places(fields.success.map { [$0] } ?? []),
        ]
        values = places.map { place in
            // The loader has checked the pointers of manifests; one that is none finds nothing.
            let pointers = place.pointers.compactMap { text -> JSONPointer? in
                do throws(PageScanError) { return try JSONPointer(text) } catch { return nil }
            }
            return JSONValueReader.scalars(at: pointers, in: body).lazy.compactMap { $0 }.first {
                $0 != .null
            }
        }
        hasSuccess = fields.success != nil
        isObject =
            body.first { $0 > 0x20 } == UInt8(ascii: "{") && body.last { $0 > 0x20 } == UInt8(ascii: "}")
    }

    var isSuccess: Bool { !hasSuccess || values[5] == .bool(true) }
    var accessToken: SecretString? { token(0) }
    var refreshToken: SecretString? { token(1) }
    var error: String? { values[4]?.text }

    /// Some providers write the number as text, some with a fraction.
    var lifetime: Duration? {
        guard let text = values[2]?.text, let seconds = Double(text), seconds.isFinite, seconds >= 1 else {
            return nil
        }
        return .seconds(Int64(min(seconds, 1e9)))
    }

    /// Separated by spaces or commas, whatever was asked for.
    var scopes: [String]? {
        values[3]?.text.map { $0.split { $0 == " " || $0 == "," }.map(String.init) }
    }

    private func token(_ index: Int) -> SecretString? {
        guard case .string(let text)? = values[index], !text.isEmpty else { return nil }
        return SecretString(text)
    }
}
