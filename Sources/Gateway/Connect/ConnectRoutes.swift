// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
public import Credentials
import Cryptography
import Foundation
import HTTPTransport
import JobQueue
public import Logging
import Model
import OAuth
public import SyncStore

/// How a user connects an account: a signed link, the provider's page or a form, and the way back.
public struct ConnectRoutes: Sendable {
    private let keys: GatewayKeys
    private let links: ConnectLinkStore
    private let flow: AuthorizationFlow
    private let writer: CredentialWriter
    private let directory: ServiceDirectory
    private let enqueue: @Sendable (_ id: Int64, _ type: String) async throws -> Void
    private let publicURL: @Sendable () -> String
    let metrics: GatewayMetrics
    let logger: Logger

    /// `publicURL` is how browsers reach this gateway, without a slash at the end; `enqueue` enqueues a sync of an
    /// integration.
    public init(
        keys: GatewayKeys, links: ConnectLinkStore, flow: AuthorizationFlow,
        writer: CredentialWriter, directory: ServiceDirectory, publicURL: @escaping @Sendable () -> String,
        metrics: GatewayMetrics = GatewayMetrics(), logger: Logger,
        enqueue: @escaping @Sendable (_ id: Int64, _ type: String) async throws -> Void
    ) {
        self.keys = keys
        self.links = links
        self.flow = flow
        self.writer = writer
        self.directory = directory
        self.publicURL = publicURL
        self.metrics = metrics
        self.logger = logger
        self.enqueue = enqueue
    }

    /// For the public listener.
    public var routes: [Route] {
        PageFrame.assetRoutes + [
            Route("GET", "/connect/{service}", for: .person) { request in
                try await counted(request) { _ in try await begin(request) }
            },
            Route("POST", "/connect/{service}", for: .person) { request in
                try await counted(request) { _ in try await submit(request) }
            },
            Route("GET", "/oauth/callback", for: .person) { request in
                try await counted(request) { try await finish(request, naming: $0) }
            },
        ]
    }

    // MARK: The link

    private func begin(_ request: GatewayRequest) async throws -> GatewayResponse {
        let text = request.query["link"] ?? ""
        let (link, connector) = try await open(text, service: request.parameters["service"] ?? "")
        let cookie = cookie
        let session = try cookie.value(in: request) ?? SessionCookie.makeValue()
        var response: GatewayResponse
        switch directory.way(to: connector) {
        case .consent(let profile, let client):
            let url = try await mapping {
                try await flow.beginAuthorization(
                    AuthorizationFlow.Request(
                        key: link.key, configuration: Array(link.configuration.utf8),
                        redirectURI: publicURL() + "/oauth/callback",
                        session: session, ticket: link.ticket), profile: profile, client: client)
            }
            response = GatewayResponse(status: 303, headers: [("Location", url)])
        case .form(let fields):
            response = pages.form(
                service: link.key.service, title: connector.title,
                fields: missing(fields, in: link), link: text, check: try check(session, text))
        case .none:
            throw Problem(
                422, "not_connectable",
                "\(connector.title) cannot be connected here. Ask those who sent you this link.")
        }
        response.headers.append(cookie.header(session))
        return response
    }

    /// A link that works, with its connector.
    private func open(_ text: String, service: String) async throws -> (ConnectLink, any Connector) {
        guard let link = try ConnectLink(text, keys: keys), link.key.service.utf8.elementsEqual(service.utf8),
            let connector = directory.connector(service)
        else {
            throw Problem(400, "invalid_link", "This link is not valid. Ask for a new one.")
        }
        switch try await links.state(of: link.ticket) {
        case .open: return (link, connector)
        case .used: throw Self.usedLink
        case .expired: throw Problem(410, "expired_link", "This link is too old. Ask for a new one.")
        }
    }

    static let usedLink = Problem(
        410, "used_link", "This link was used already. Ask for a new one to connect again.")

    // MARK: The form

    private func submit(_ request: GatewayRequest) async throws -> GatewayResponse {
        let type = request.headers.first("content-type")?.lowercased() ?? ""
        guard type.hasPrefix("application/x-www-form-urlencoded"),
            let form = FormFields(encoded: request.body), let text = form["link"]
        else { throw Problem(400, "bad_form", "The form is not complete. Open your link again.") }
        guard let session = cookie.value(in: request), let given = form["check"].flatMap({ Hex.decode($0) }),
            try keys.verifies(given, of: Self.bound(session, text), for: .form)
        else {
            throw Problem(
                403, "foreign_form", "This form was not opened in this browser. Open your link again.")
        }
        let (link, connector) = try await open(text, service: request.parameters["service"] ?? "")
        guard case .form(let all) = directory.way(to: connector) else {
            throw Problem(422, "not_connectable", "\(connector.title) is not connected with a form.")
        }
        let fields = missing(all, in: link)
        var secrets: [String: SecretString] = [:]
        var configuration: [String: Any] =
            try JSONSerialization.jsonObject(with: Data(link.configuration.utf8)) as? [String: Any] ?? [:]
        for field in fields {
            let value = Self.trimmed(form["field.\(field.name)"] ?? "")
            guard (1...4_096).contains(value.utf8.count),
                value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
            else {
                return pages.form(
                    service: link.key.service, title: connector.title, fields: fields, link: text,
                    check: try check(session, text),
                    problem:
                        "\(ConnectPages.label(field.name)) is missing, or has characters that it cannot have."
                )
            }
            if field.isSecret {
                secrets[field.name] = SecretString(value)
            } else {
                configuration[field.name] = value
            }
        }
        let values = secrets
        let settings = try JSONSerialization.data(withJSONObject: configuration, options: .sortedKeys)
        let notifying = Self.notifying(connector)
        // What the form does not ask for stays, such as the secret of notifications; of tokens nothing else does.
        let added = try await mapping {
            try await writer.connect(
                link.key, configuration: Array(settings), ticket: link.ticket, secrets: values,
                keeping: { name, kind in kind == .fixed || notifying.contains(name) },
                unreadable: unreadable)
        }
        return await welcome(added.id, isNew: added.isNew, key: link.key, title: connector.title)
    }

    /// The fields that the link does not bring itself.
    private func missing(_ fields: [AccountField], in link: ConnectLink) -> [AccountField] {
        let members = link.members
        return fields.filter { $0.isSecret || members[$0.name] == nil }
    }

    private func check(_ session: SecretString, _ link: String) throws -> String {
        Hex.encode(try keys.sign(Self.bound(session, link), for: .form))
    }

    /// A form belongs to one browser and one link.
    private static func bound(_ session: SecretString, _ link: String) -> [UInt8] {
        Array("\(session.exposed) \(link)".utf8)
    }

    private static func trimmed(_ text: String) -> String {
        text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    // MARK: The way back

    /// `name` gets the service, which only the state knows.
    private func finish(
        _ request: GatewayRequest, naming name: LockedBox<String>
    ) async throws -> GatewayResponse {
        guard let session = cookie.value(in: request) else {
            throw Problem(
                400, "foreign_callback",
                "This was not begun in this browser, or too long ago. Open your link again.")
        }
        let callback = Authorization.Callback(
            state: request.query["state"].map { SecretString($0) },
            code: request.query["code"].map { SecretString($0) }, issuer: request.query["iss"],
            error: request.query["error"])
        let connected = try await mapping {
            try await flow.finishAuthorization(
                callback, session: session,
                keeping: { directory.connector($0).map(Self.notifying) ?? [] }, unreadable: unreadable
            ) { service in
                name.withLock { $0 = service }
                guard let connector = directory.connector(service),
                    case .consent(let profile, let client) = directory.way(to: connector)
                else { return nil }
                return (profile, client)
            }
        }
        let title = directory.connector(connected.key.service)?.title ?? connected.key.service
        return await welcome(connected.id, isNew: connected.isNew, key: connected.key, title: title)
    }

    /// Starts the first sync. When that fails the account is connected all the same: the next slot of its schedule finds it.
    private func welcome(
        _ id: Int64, isNew: Bool, key: IntegrationKey, title: String
    ) async -> GatewayResponse {
        logger.notice(
            "an account was connected",
            metadata: ["integration": "\(id)", "service": "\(key.service)", "new": "\(isNew)"])
        var isQueued = true
        do {
            try await enqueue(id, isNew ? "full" : "incremental")
        } catch {
            isQueued = false
            logger.error(
                "the first sync was not enqueued", metadata: ["integration": "\(id)", "error": "\(error)"])
        }
        return pages.connected(title: title, isQueued: isQueued)
    }

    // MARK: What all share

    private var pages: ConnectPages { ConnectPages(frame: PageFrame(root: Self.path(of: publicURL()))) }

    private var cookie: SessionCookie {
        SessionCookie(
            "lockstep_connect", isSecure: publicURL().hasPrefix("https://"), lifetime: .seconds(3_600))
    }

    /// The path of a URL: what a proxy takes away before it asks this gateway.
    static func path(of url: String) -> String {
        guard let scheme = url.firstRange(of: "://"),
            let slash = url[scheme.upperBound...].firstIndex(of: "/")
        else { return "" }
        return String(url[slash...])
    }
}
