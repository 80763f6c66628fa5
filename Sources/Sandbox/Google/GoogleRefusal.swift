// SPDX-License-Identifier: Apache-2.0

/// An error as Google's APIs write it; clients classify it by its reason, not by its status.
struct GoogleRefusal: Error {
    let status: Int
    let domain: String
    let reason: String
    let message: String
    /// The kind of what is wrong (`parameter`, `header`) and its name.
    var location: (type: String, name: String)?

    static let notFound = GoogleRefusal(
        status: 404, domain: "global", reason: "notFound", message: "Not Found")

    static let unauthorized = GoogleRefusal(
        status: 401, domain: "global", reason: "authError", message: "Invalid Credentials",
        location: ("header", "Authorization"))

    static let fullSyncRequired = GoogleRefusal(
        status: 410, domain: "calendar", reason: "fullSyncRequired",
        message: "Sync token is no longer valid, a full sync is required.",
        location: ("parameter", "syncToken"))

    static func invalid(_ parameter: String, _ message: String, _ reason: String) -> GoogleRefusal {
        GoogleRefusal(
            status: 400, domain: "global", reason: reason, message: message,
            location: ("parameter", parameter))
    }

    /// The error that Google sends with a status, for faults.
    static func fault(_ status: Int) -> GoogleRefusal {
        switch status {
        case 401: unauthorized
        case 404: notFound
        case 410: fullSyncRequired
        case 403, 429:
            GoogleRefusal(
                status: status, domain: "usageLimits", reason: "rateLimitExceeded",
                message: "Rate Limit Exceeded")
        case 500...:
            GoogleRefusal(status: status, domain: "global", reason: "backendError", message: "Backend Error")
        default: GoogleRefusal(status: status, domain: "global", reason: "badRequest", message: "Bad Request")
        }
    }

    var response: SandboxResponse {
        let place =
            location.map { #","locationType":"\#($0.type)","location":\#(JSONText.quoted($0.name))"# } ?? ""
        let text = JSONText.quoted(message)
        return SandboxResponse(
            status: status,
            json: """
                {"error":{"errors":[{"domain":"\(domain)","reason":"\(reason)","message":\(text)\(place)}],\
                "code":\(status),"message":\(text)}}
                """)
    }
}
