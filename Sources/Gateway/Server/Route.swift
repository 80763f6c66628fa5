// SPDX-License-Identifier: Apache-2.0

/// One method of one path, and what answers it. This is how a part of the gateway adds itself to a listener.
///
/// A path is made of literals and `{names}`, such as `/webhooks/{service}`. A handler throws `Problem` to refuse; any other
/// error is logged and answered with 500.
public struct Route: Sendable {
    /// What answers a request.
    public typealias Handler = @Sendable (GatewayRequest) async throws -> GatewayResponse

    /// Who reads the answers, also the refusals.
    public enum Reader: Sendable {
        /// Problems are `application/problem+json`.
        case program
        /// Problems are a page.
        case person
    }

    /// `GET` or `POST`; a `GET` answers `HEAD` too.
    public let method: String
    /// As it was declared, with its `{names}`.
    public let path: String
    let reader: Reader
    let segments: [Segment]
    let handler: Handler

    enum Segment: Equatable {
        case literal(String)
        case parameter(String)
    }

    /// A route of that method and path.
    public init(_ method: String, _ path: String, for reader: Reader = .program, _ handler: @escaping Handler)
    {
        self.method = method
        self.path = path
        self.reader = reader
        self.handler = handler
        segments = path.split(separator: "/").map { part in
            part.hasPrefix("{") ? .parameter(String(part.dropFirst().dropLast())) : .literal(String(part))
        }
    }
}

/// The routes of a listener: which one a request is for.
struct RouteTable: Sendable {
    enum Match {
        case route(Route, parameters: [String: String])
        /// The path is there, with other methods.
        case otherMethods([String], reader: Route.Reader)
        case nothing
    }

    private let routes: [Route]

    init(_ routes: [Route]) {
        self.routes = routes
    }

    /// Of several routes the one with more literals is meant.
    func match(method: String, path: String) -> Match {
        var segments: [String] = []
        for segment in path.utf8.split(separator: UInt8(ascii: "/")) {
            guard let text = PercentCoding.decode(segment) else { return .nothing }
            segments.append(text)
        }
        var best: (route: Route, parameters: [String: String])?
        var others: [Route] = []
        let wanted = method == "HEAD" ? "GET" : method
        for route in routes {
            guard let parameters = Self.parameters(of: route, segments) else { continue }
            guard route.method == wanted else {
                others.append(route)
                continue
            }
            if best.map({ parameters.count < $0.parameters.count }) ?? true { best = (route, parameters) }
        }
        if let best { return .route(best.route, parameters: best.parameters) }
        guard let reader = others.first?.reader else { return .nothing }
        return .otherMethods(Set(others.map(\.method)).sorted(), reader: reader)
    }

    private static func parameters(of route: Route, _ segments: [String]) -> [String: String]? {
        guard route.segments.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (expected, segment) in zip(route.segments, segments) {
            switch expected {
            case .literal(let text): guard Array(text.utf8) == Array(segment.utf8) else { return nil }
            case .parameter(let name): parameters[name] = segment
            }
        }
        return parameters
    }
}
