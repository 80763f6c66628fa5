// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import NIOCore

/// The page on which a person lets a client in, and the address that the browser is sent to afterwards.
enum ConsentPage {
    /// The form; `user` says which account is filled in.
    static func form(_ request: SandboxRequest, client: String, user: String, scope: String)
        -> SandboxResponse
    {
        let hidden = request.pairs.filter { !["user", "granted_scope", "decision"].contains($0.name) }.map {
            #"<input type="hidden" name="\#(escaped($0.name))" value="\#(escaped($0.value))">"#
        }
        return page(
            200,
            """
            <h1>\(escaped(client)) asks for access</h1>
            <form method="post" action="\(escaped(request.path))">
            \(hidden.joined(separator: "\n"))
            <p><label>Account <input name="user" value="\(escaped(user))"></label></p>
            <p><label>Scopes <input name="granted_scope" value="\(escaped(scope))" size="80"></label></p>
            <p><button name="decision" value="allow">Allow</button>
            <button name="decision" value="deny">Deny</button></p>
            </form>
            """)
    }

    /// For what must not be sent to the client's address.
    static func refusal(_ reason: String) -> SandboxResponse {
        page(400, "<h1>This request cannot be served</h1>\n<p>\(escaped(reason))</p>")
    }

    /// Sends the browser back to the client.
    static func redirect(_ target: String, _ parameters: [(String, String?)]) -> SandboxResponse {
        let query = parameters.compactMap { name, value in
            value.map { "\(name)=\(PercentEncoding.encoded($0))" }
        }
        var response = SandboxResponse(status: 302, contentType: "text/plain; charset=utf-8")
        let joint = target.contains("?") ? "&" : "?"
        response.headers.append(("Location", target + joint + query.joined(separator: "&")))
        return response
    }

    private static func page(_ status: Int, _ content: String) -> SandboxResponse {
        var response = SandboxResponse(status: status, contentType: "text/html; charset=utf-8")
        response.body.writeString(
            """
            <!doctype html>
            <html lang="en"><meta charset="utf-8"><title>Sandbox</title>
            \(content)
            </html>

            """)
        return response
    }

    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
