// SPDX-License-Identifier: Apache-2.0

import Cryptography
import HTTPTransport
import Model

/// Who is signed in to the status pages: a cookie that this cluster's gateways have signed, for some hours.
///
/// It is bound to the admin token: with another token all sessions are over.
struct PageSession: Sendable {
    /// How long somebody stays signed in.
    static let lifetime: Duration = .seconds(8 * 3_600)

    private let keys: GatewayKeys
    private let token: AdminToken
    private let binding: [UInt8]

    init(keys: GatewayKeys, token: SecretString?) {
        self.keys = keys
        self.token = AdminToken(token)
        binding = SHA256.digest(of: Array((token?.exposed ?? "").utf8))
    }

    /// The cookie's text of somebody who is signed in. Nobody is without it.
    func open(_ request: GatewayRequest, at now: Timestamp) throws -> SecretString? {
        guard let text = cookie(request).text(in: request) else { return nil }
        let parts = text.exposed.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let end = Int64(parts[0]), now.seconds < end,
            let signature = Base64.urlSafe.decode(parts[2]),
            try keys.verifies(signature, of: message("\(parts[0]).\(parts[1])"), for: .session)
        else { return nil }
        return text
    }

    /// The header that signs in, when the text is the admin token; nil when it is not.
    func signIn(
        _ text: String, _ request: GatewayRequest, at now: Timestamp
    ) throws -> (name: String, value: String)? {
        guard try token.accepts(text) else { return nil }
        let end = now.advanced(by: Self.lifetime).seconds
        let content = "\(end).\(Base64.urlSafe.encode(try SecureRandom.bytes(16)))"
        let signature = try keys.sign(message(content), for: .session)
        return cookie(request).header(SecretString("\(content).\(Base64.urlSafe.encode(signature))"))
    }

    /// The header that signs out.
    func signOut(_ request: GatewayRequest) -> (name: String, value: String) { cookie(request).removal }

    /// What a form of this session carries.
    func check(_ session: SecretString) throws -> String {
        Hex.encode(try keys.sign(Array("page \(session.exposed)".utf8), for: .form))
    }

    /// The fields of a form that a page of this session sent. Refuses what another site sent.
    func form(_ request: GatewayRequest, _ session: SecretString) throws -> FormFields {
        let form = try sameSiteForm(request)
        guard let given = form["check"].flatMap({ Hex.decode($0) }),
            try keys.verifies(given, of: Array("page \(session.exposed)".utf8), for: .form)
        else { throw Self.foreign }
        return form
    }

    /// The fields of a form that no other site sent, as far as the browser says (Fetch, 3.1).
    func sameSiteForm(_ request: GatewayRequest) throws -> FormFields {
        let host = request.headers.first("host") ?? ""
        if let origin = request.headers.first("origin") {
            guard origin == "http://\(host)" || origin == "https://\(host)" else { throw Self.foreign }
        }
        let type = request.headers.first("content-type")?.lowercased() ?? ""
        guard type.hasPrefix("application/x-www-form-urlencoded"),
            let form = FormFields(encoded: request.body)
        else { throw Problem(400, "bad_form", "The form is not complete. Go back and try again.") }
        return form
    }

    private static let foreign = Problem(
        403, "foreign_form",
        "This form does not belong to your session. Go back, load the page anew and try again.")

    private func message(_ content: String) -> [UInt8] { Array(content.utf8) + binding }

    /// Without TLS only a browser on this machine is taken: anywhere else the cookie would travel in the clear.
    private func cookie(_ request: GatewayRequest) -> SessionCookie {
        let host = request.headers.first("host") ?? ""
        let name = host.hasPrefix("[") ? host.prefix { $0 != "]" } + "]" : host.prefix { $0 != ":" }
        let isLocal = ["localhost", "127.0.0.1", "[::1]"].contains(String(name))
        return SessionCookie("lockstep_operator", isSecure: !isLocal, isStrict: true, lifetime: Self.lifetime)
    }
}
