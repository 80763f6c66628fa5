// SPDX-License-Identifier: Apache-2.0

import Cryptography
import HTTPTransport
import Model

/// A cookie of this gateway, such as a random value that tells one browser from others.
///
/// Scripts cannot read it, and other sites' forms do not send it. Over HTTPS its name has the prefix `__Host-`, which a
/// neighbouring host cannot set (RFC 6265bis, 4.1.3.2).
struct SessionCookie: Sendable {
    let name: String
    private let isSecure: Bool
    private let isStrict: Bool
    private let lifetime: Duration

    /// `isStrict` keeps it from being sent when another site links here.
    init(_ name: String, isSecure: Bool, isStrict: Bool = false, lifetime: Duration) {
        self.name = isSecure ? "__Host-\(name)" : name
        self.isSecure = isSecure
        self.isStrict = isStrict
        self.lifetime = lifetime
    }

    /// The value that a request brings; nil for none, and for one that was not made here.
    func value(in request: GatewayRequest) -> SecretString? {
        guard let text = text(in: request), Base64.urlSafe.decode(text.exposed)?.count == Self.byteCount
        else { return nil }
        return text
    }

    /// The text that a request brings, whatever it is; nil for none, and for more than one.
    func text(in request: GatewayRequest) -> SecretString? {
        let found = request.headers.all("cookie").flatMap { $0.split(separator: ";") }.compactMap { pair in
            let parts = pair.drop { $0 == " " }.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return parts.count == 2 && parts[0].utf8.elementsEqual(name.utf8) ? String(parts[1]) : nil
        }
        return found.count == 1 ? SecretString(found[0]) : nil
    }

    private static let byteCount = 32

    /// A value that nobody can guess.
    static func makeValue() throws(CryptoError) -> SecretString {
        SecretString(Base64.urlSafe.encode(try SecureRandom.bytes(byteCount)))
    }

    /// The header that sets it.
    func header(_ value: SecretString) -> (name: String, value: String) {
        let age = lifetime.wholeMilliseconds / 1_000
        return ("Set-Cookie", "\(name)=\(value.exposed); Path=/; Max-Age=\(age)\(attributes)")
    }

    /// The header that removes it.
    var removal: (name: String, value: String) { ("Set-Cookie", "\(name)=; Path=/; Max-Age=0\(attributes)") }

    private var attributes: String {
        "; HttpOnly; SameSite=\(isStrict ? "Strict" : "Lax")\(isSecure ? "; Secure" : "")"
    }
}
