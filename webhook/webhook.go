// Package webhook holds the wire profiles: for each published webhook contract the shape of the body, the headers, the
// signature, and the policy that goes with them, as data and not as branches. It makes the bytes of an attempt, signs
// them, verifies them on the receiving side, and brings JSON into the canonical spelling all bodies are delivered in.
//
// It imports nothing but the standard library, so that receivers written in Go can use it too. Sending, storing and
// deciding when to retry are left to others: bytes, keys and times come in, bytes go out.
package webhook
