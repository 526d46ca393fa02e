<?php

declare(strict_types=1);

/*
 * Verifies webhook requests, one function a contract: copy the one you need and what it uses. PHP 8.1 or newer.
 *
 * Each takes the secrets in force (during a rotation the old and the new), the headers with names in lower case, and the
 * body as file_get_contents('php://input') gives it. It returns the id to drop repetitions by, or throws Refused.
 */

const TOLERANCE = 5 * 60; // seconds

/** Why a request is not believed: the header at fault and what is wrong with it. */
final class Refused extends RuntimeException
{
}

function verify_vantageclaw(array $secrets, array $headers, string $body): ?string
{
    $stamp = number($headers, 'X-VC-Timestamp');
    check_age('X-VC-Timestamp', intdiv((int) $stamp, 1000));
    check_hex($headers, 'X-VC-Signature', 'sha256=', $secrets, "$stamp.$body");
    return json_decode($body, true)['id'];
}

function verify_clawbook(array $secrets, array $headers, string $body): ?string
{
    check_hex($headers, 'X-ClawBook-Signature', 'sha256=', $secrets, $body); // no time is signed: the id alone tells a repetition
    return json_decode($body, true)['id'];
}

function verify_vantagekit(array $secrets, array $headers, string $body): ?string
{
    $stamp = number($headers, 'X-VantageKit-Timestamp');
    check_age('X-VantageKit-Timestamp', (int) $stamp);
    check_hex($headers, 'X-VantageKit-Signature', 'sha256=', $secrets, "$stamp.$body");
    return required($headers, 'X-VantageKit-Delivery');
}

function verify_vntana(array $secrets, array $headers, string $body): ?string
{
    $stamp = required($headers, 'X-TIMESTAMP');
    $at = DateTimeImmutable::createFromFormat('!Y-m-d\TH:i:sp', $stamp);
    if ($at === false) {
        throw new Refused('X-TIMESTAMP: malformed header');
    }
    check_age('X-TIMESTAMP', $at->getTimestamp());
    check_hex($headers, 'X-VNTANA-SIGNATURE', '', $secrets, "$stamp#$body");
    return null; // this contract has no id
}

function verify_standard(array $secrets, array $headers, string $body): ?string
{
    $id = required($headers, 'webhook-id');
    $stamp = number($headers, 'webhook-timestamp');
    check_age('webhook-timestamp', (int) $stamp);
    $wanted = [];
    foreach ($secrets as $secret) {
        $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
        $wanted[] = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$stamp.$body", $key, true));
    }
    check_any('webhook-signature', explode(' ', required($headers, 'webhook-signature')), $wanted);
    return $id;
}

function required(array $headers, string $name): string
{
    return ($headers[strtolower($name)] ?? '') ?: throw new Refused("$name: missing header");
}

function number(array $headers, string $name): string
{
    $value = required($headers, $name);
    return preg_match('/^[0-9]{1,15}$/D', $value) ? $value : throw new Refused("$name: malformed header");
}

function check_age(string $name, int $seconds): void
{
    if (abs(time() - $seconds) > TOLERANCE) {
        throw new Refused("$name: timestamp outside the replay window");
    }
}

/** The key is the whole secret as text, whsec_ included where it has one. */
function check_hex(array $headers, string $name, string $prefix, array $secrets, string $signed): void
{
    $wanted = array_map(fn ($secret) => $prefix . hash_hmac('sha256', $signed, $secret), $secrets);
    check_any($name, [required($headers, $name)], $wanted);
}

function check_any(string $name, array $given, array $wanted): void
{
    $found = false;
    foreach ($given as $g) {
        foreach ($wanted as $w) {
            $found = hash_equals($w, $g) || $found;
        }
    }
    if (!$found) {
        throw new Refused("$name: signature does not match");
    }
}
