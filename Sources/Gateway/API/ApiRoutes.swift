// SPDX-License-Identifier: Apache-2.0

public import Actions
import Cryptography
import HTTPTransport
public import JobQueue
public import Logging
public import Model
public import SyncStore

/// The API for programs of the operator: `/api/v1`, described by `/api/v1/openapi.json`.
public struct ApiRoutes: Sendable {
    let reader: LedgerReader
    let operations: Operations
    let desk: ActionDesk
    let queue: JobQueue
    let links: ConnectLinkStore
    let directory: ServiceDirectory
    let keys: GatewayKeys
    let publicURL: @Sendable () -> String
    private let idempotency: IdempotencyStore
    private let token: AdminToken
    private let rate: LockedBox<TokenBucket>
    let counter: FleetCounter
    let logger: Logger

    /// Without `token` everything is refused. Up to `ratePerSecond` requests a second are answered, and twice as many at
    /// once.
    public init(
        token: SecretString?, reader: LedgerReader, fleet: FleetCounter, operations: Operations,
        desk: ActionDesk, queue: JobQueue,
        links: ConnectLinkStore, idempotency: IdempotencyStore, directory: ServiceDirectory,
        keys: GatewayKeys, publicURL: @escaping @Sendable () -> String, ratePerSecond: Int = 100,
        logger: Logger
    ) {
        self.token = AdminToken(token)
        self.reader = reader
        self.operations = operations
        self.desk = desk
        self.queue = queue
        self.links = links
        self.idempotency = idempotency
        self.directory = directory
        self.keys = keys
        self.publicURL = publicURL
        self.logger = logger
        counter = fleet
        rate = LockedBox(
            TokenBucket(rate: Double(ratePerSecond), burst: Double(2 * ratePerSecond), at: .now))
    }

    /// For the private listener.
    public var routes: [Route] { integrationRoutes + listRoutes + runRoutes + decisionRoutes + actionRoutes }

    /// A route that only reads.
    func read(_ path: String, _ handler: @escaping Route.Handler) -> Route {
        Route("GET", "/api/v1\(path)") { request in
            try admit(request)
            return try await mapping(request, handler)
        }
    }

    /// A route that changes something; with an idempotency key it does so once, when its answer `isKept`. It is not when it is a
    /// secret, and when the ledger knows the key by itself.
    func write(_ path: String, isKept: Bool = true, _ handler: @escaping Route.Handler) -> Route {
        Route("POST", "/api/v1\(path)") { request in
            try admit(request)
            return try await mapping(request) {
                isKept ? try await once($0, handler) : try await handler($0)
            }
        }
    }

    // MARK: Who, and how often

    private func admit(_ request: GatewayRequest) throws {
        let words = (request.headers.first("authorization") ?? "").split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bearer", try token.accepts(String(words[1])) else {
            throw Problem(
                401, "unauthorized", "Send the admin token: Authorization: Bearer TOKEN.",
                headers: [("WWW-Authenticate", "Bearer")])
        }
        if let wait = rate.withLock({ $0.take(at: .now) }) {
            throw Problem(
                429, "rate_limited", "Too many requests came with this token.",
                headers: [("Retry-After", "\(wait.components.seconds + 1)")])
        }
    }

    private func mapping(
        _ request: GatewayRequest, _ handler: Route.Handler
    ) async throws -> GatewayResponse {
        do {
            return try await handler(request)
        } catch {
            guard let problem = Problem(error) else { throw error }
            if problem.status >= 500 {
                logger.warning(
                    "a call of the API failed", metadata: ["request": "\(request.id)", "error": "\(error)"])
            }
            throw problem
        }
    }

    // MARK: Once

    private func once(
        _ request: GatewayRequest, _ handler: Route.Handler
    ) async throws -> GatewayResponse {
        guard let key = try request.idempotencyKey else { return try await handler(request) }
        let hash = SHA256.digest(of: Array(key.utf8))
        let content = SHA256.digest(of: Array("\(request.method) \(request.path)\n".utf8) + request.body)
        let owner = try SecureRandom.bytes(16)
        switch try await idempotency.claim(hash, request: content, owner: owner) {
        case .otherRequest:
            throw Problem(
                422, "idempotency_key_reused", "This Idempotency-Key was sent with another request.")
        case .underWay:
            throw Problem(
                409, "under_way", "The request with this Idempotency-Key is being answered. Ask again.",
                headers: [("Retry-After", "1")])
        case .answered(let status, let body):
            return GatewayResponse(
                status: status,
                headers: [("Content-Type", "application/json"), ("Idempotent-Replayed", "true")], body: body)
        case .first: break
        }
        let response: GatewayResponse
        do {
            response = try await handler(request)
        } catch {
            // Nothing was done: the sender may try again with the key.
            try await idempotency.release(hash, owner: owner)
            throw error
        }
        guard case .bytes(let body) = response.body else { return response }
        if try await !idempotency.settle(hash, owner: owner, status: response.status, body: body) {
            logger.warning(
                "a request took so long that another took its idempotency key over",
                metadata: ["request": "\(request.id)", "path": "\(request.path)"])
        }
        return response
    }
}
