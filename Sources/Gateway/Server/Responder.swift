// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Takes a request from the server to its route, and its answer back.
struct Responder: HTTPResponder {
    typealias Context = BasicRequestContext

    private let routes: RouteTable
    private let bodies: BodyReader
    private let side: GatewayMetrics.Side
    private let metrics: GatewayMetrics
    private let logger: Logger
    /// How a refusal looks to a person.
    private let page: @Sendable (Problem, String) -> GatewayResponse

    init(
        routes: RouteTable, limits: ServerLimits, side: GatewayMetrics.Side, metrics: GatewayMetrics,
        logger: Logger,
        page: @escaping @Sendable (Problem, String) -> GatewayResponse
    ) {
        self.routes = routes
        bodies = BodyReader(limits: limits)
        self.side = side
        self.metrics = metrics
        self.logger = logger
        self.page = page
    }

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        let start = ContinuousClock.now
        let id = RequestID().description
        let path = String(request.uri.path)
        let isHead = request.method == .head
        let match = routes.match(method: request.method.rawValue, path: path)
        let answer: GatewayResponse
        do {
            answer = try await self.answer(request, path: path, match: match, id: id)
        } catch let problem as Problem {
            var refusal =
                match.reader == .person ? page(problem, id) : problem.response(to: id)
            if problem.closesConnection { refusal.headers.append(("Connection", "close")) }
            answer = refusal
            metrics.refused(problem)
        }
        let duration = start.duration(to: .now)
        metrics.answered(
            side, route: match.path, method: request.method.rawValue, status: answer.status, in: duration)
        log(request, path: path, status: answer.status, took: duration, id: id)
        return Self.response(answer, id: id, isHead: isHead)
    }

    private func answer(
        _ request: Request, path: String, match: RouteTable.Match, id: String
    ) async throws -> GatewayResponse {
        switch match {
        case .nothing: throw Problem(404, "not_found", "There is nothing at this address.")
        case .otherMethods(let methods, _):
            throw Problem(
                405, "method_not_allowed", "This address answers \(methods.joined(separator: ", ")) only.",
                headers: [("Allow", methods.joined(separator: ", "))])
        case .route(let route, let parameters):
            guard let query = FormFields(encoded: (request.uri.query ?? "").utf8) else {
                throw Problem(400, "bad_query", "The query is not a list of encoded names and values.")
            }
            return try await bodies.withBody(of: request) { body in
                var fields = request.headers.map { ($0.name.rawName, $0.value) }
                // The server keeps the host apart from the other fields.
                if let host = request.head.authority { fields.append(("Host", host)) }
                do {
                    return try await route.handler(
                        GatewayRequest(
                            method: route.method, path: path, parameters: parameters, query: query,
                            rawQuery: request.uri.query,
                            headers: HTTPTransport.HTTPHeaders(fields), body: body, id: id))
                } catch let problem as Problem {
                    throw problem
                } catch {
                    logger.error(
                        "a request failed",
                        metadata: ["route": "\(route.path)", "request": "\(id)", "error": "\(error)"])
                    throw Problem.unexpected
                }
            }
        }
    }

    /// One line for each request. The query and the headers are not in it: they hold tokens and codes.
    private func log(
        _ request: Request, path: String, status: Int, took duration: Duration, id: String
    ) {
        let milliseconds =
            duration.components.seconds * 1_000 + duration.components.attoseconds / 1_000_000_000_000_000
        logger.log(
            level: path == "/healthz" || path == "/readyz" ? .debug : .info, "request",
            metadata: [
                "method": "\(request.method.rawValue)", "path": "\(path.prefix(200))", "status": "\(status)",
                "ms": "\(milliseconds)", "request": "\(id)",
            ])
    }

    private static func response(_ answer: GatewayResponse, id: String, isHead: Bool) -> Response {
        var headers = HTTPFields()
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { headers.append(HTTPField(name: name, value: value)) }
        }
        for (name, value) in Self.everywhere where headers[name] == nil { headers[name] = value }
        headers[Self.requestID] = id
        let body: ResponseBody
        switch answer.body {
        case .bytes(let bytes):
            headers[.contentLength] = "\(bytes.count)"
            body = isHead ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        case .stream where isHead: body = ResponseBody()
        case .stream(let send):
            body = ResponseBody { writer in
                let sink = WriterSink(writer)
                try await send(sink)
                try await sink.finish()
            }
        }
        return Response(status: .init(code: answer.status), headers: headers, body: body)
    }

    private static let requestID = HTTPField.Name.known("X-Request-Id")

    /// What every answer has unless its handler says otherwise.
    private static let everywhere: [(HTTPField.Name, String)] = [
        (.cacheControl, "no-store"), (.known("X-Content-Type-Options"), "nosniff"),
        (.known("Referrer-Policy"), "no-referrer"),
    ]
}

extension RouteTable.Match {
    /// The path as it was declared; nil for what is nowhere.
    fileprivate var path: String? {
        switch self {
        case .route(let route, _): route.path
        case .otherMethods, .nothing: nil
        }
    }

    /// Who reads the answer; what is nowhere is asked for by programs as often as by people.
    fileprivate var reader: Route.Reader {
        switch self {
        case .route(let route, _): route.reader
        case .otherMethods(_, let reader): reader
        case .nothing: .program
        }
    }
}

extension HTTPField.Name {
    /// A name that is known to be one.
    fileprivate static func known(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no field name") }
        return name
    }
}
